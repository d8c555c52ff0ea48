-- What stands for a kernel may differ by release and target: branches are resolved for them.
DROP TABLE compiled_sources;
CREATE TABLE compiled_sources (
    id VARCHAR NOT NULL,
    triton VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    source_sha VARCHAR NOT NULL,
    code VARCHAR                    -- digest of the kernel's own code; null: it was not at hand
);
