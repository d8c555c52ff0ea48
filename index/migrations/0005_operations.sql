-- Public functions, autograd functions and modules that run kernels.

CREATE TABLE operations (
    id VARCHAR NOT NULL,
    repo VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    "name" VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,          -- function, autograd, module
    start_line INTEGER NOT NULL,
    end_line INTEGER NOT NULL,
    commit VARCHAR NOT NULL,
    permalink VARCHAR NOT NULL,
    signature VARCHAR NOT NULL,     -- names and plain defaults
    summary VARCHAR,                -- null: none, or its facts alone came
    doc_chars INTEGER NOT NULL,     -- length of its docstring
    forward VARCHAR[] NOT NULL,     -- ids of kernels, the nearest first
    backward VARCHAR[] NOT NULL,
    is_differentiable BOOLEAN NOT NULL,
    ops VARCHAR[] NOT NULL DEFAULT []
);

ALTER TABLE kernel_rows ADD COLUMN operations VARCHAR[];  -- ids, the nearest to a user first

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
    k.compiled
FROM kernel_rows AS k
LEFT JOIN repos AS r ON r.name = k.repo;
