-- What compiling extracted kernels gave, by what was compiled, so that copies share it.
CREATE TABLE compilations (
    source_sha VARCHAR NOT NULL,    -- SHA-256 of the extracted kernel
    triton VARCHAR NOT NULL,
    target VARCHAR NOT NULL,        -- cuda:90, hip:gfx942
    outcome VARCHAR NOT NULL,       -- compiled, failed, crashed, timeout, not_extractable
    reason VARCHAR,
    assumptions JSON NOT NULL,
    shared_bytes BIGINT,
    num_warps INTEGER,
    registers INTEGER,
    spill_bytes INTEGER,
    instructions VARCHAR[] NOT NULL,
    seconds DOUBLE NOT NULL,
    compiled_at TIMESTAMP NOT NULL
);

-- Which extracted kernel stands for a kernel, as long as its code is what it was.
CREATE TABLE compiled_sources (
    id VARCHAR NOT NULL,
    source_sha VARCHAR NOT NULL,
    code VARCHAR                    -- digest of the kernel's own code; null: it was not at hand
);

ALTER TABLE kernel_rows ADD COLUMN compiled
    STRUCT(triton VARCHAR, target VARCHAR, outcome VARCHAR)[] DEFAULT [];
ALTER TABLE kernel_rows ALTER COLUMN compiled SET NOT NULL;

CREATE OR REPLACE VIEW kernels AS
SELECT
    k.id, k.repo, k.path, k.cell, k.qualname, k.name, k.dialect, k.form, k.role,
    k.start_line, k.def_line, k.end_line, k.commit, k.permalink, k.summary, k.docstring,
    k.params, k.autotune, k.heuristics, k.decorators, k.tl_calls, k.features, k.dtypes,
    k.ops, k.tags, coalesce(k.hardware, []) AS hardware,
    k.triton_min, k.triton_max, k.triton_declared,
    k.license, k.authors, r.stars, k.is_test, k.is_generated,
    k.launchers, k.usage, k.backward, k.forward, k.clone_group, k.n_copies, k.origin,
    k.first_seen, coalesce(k.last_seen, r.last_seen_at) AS last_seen, k.removed_at, k.verified,
    k.compiled
FROM kernel_rows AS k
LEFT JOIN repos AS r ON r.name = k.repo;
