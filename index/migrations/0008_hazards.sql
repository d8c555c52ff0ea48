-- What the rules of `check` find in a kernel's code.

ALTER TABLE kernel_rows ADD COLUMN hazards VARCHAR[];  -- null: its code was not looked at

CREATE OR REPLACE VIEW kernels AS
SELECT
    k.id, k.repo, k.path, k.cell, k.qualname, k.name, k.dialect, k.form, k.role,
    k.start_line, k.def_line, k.end_line, k.commit, k.permalink, k.summary, k.docstring,
    k.params, k.autotune, k.heuristics, k.decorators, k.tl_calls, k.features, k.dtypes,
    k.ops, k.tags, coalesce(k.hardware, []) AS hardware,
    k.triton_min, k.triton_max, k.triton_declared,
    k.license, k.authors, r.stars, k.is_test, k.is_generated,
    k.launchers, coalesce(k.operations, []) AS operations, k.usage, k.backward, k.forward,
    k.clone_group, k.n_copies, k.origin,
    k.first_seen, coalesce(k.last_seen, r.last_seen_at) AS last_seen, k.removed_at, k.verified,
    k.compiled, coalesce(k.hazards, []) AS hazards, coalesce(k.standing, 0) AS standing
FROM kernel_rows AS k
LEFT JOIN repos AS r ON r.name = k.repo;
