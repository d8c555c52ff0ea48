-- Times are UTC. Lists are empty rather than null; null means unknown.

CREATE TABLE repos (
    name VARCHAR PRIMARY KEY,
    location VARCHAR NOT NULL,      -- the SOURCE word that reaches it again
    status VARCHAR NOT NULL,        -- of the last crawl
    commit VARCHAR,                 -- null until it was scanned whole once
    version VARCHAR,
    scanner_version VARCHAR,
    first_crawled_at TIMESTAMP NOT NULL,
    last_crawled_at TIMESTAMP NOT NULL,
    last_seen_at TIMESTAMP,         -- the last crawl that saw its content
    files_seen INTEGER NOT NULL DEFAULT 0,
    files_parsed INTEGER NOT NULL DEFAULT 0,
    kernels INTEGER NOT NULL DEFAULT 0,
    error VARCHAR,
    former_names VARCHAR[] NOT NULL DEFAULT [], -- under which it is known too
    marks VARCHAR[] NOT NULL DEFAULT [],        -- of its entry in the list of sources
    fork_of VARCHAR,                            -- likewise
    enriched_by VARCHAR,            -- the rules that its kernels were last enriched by
    is_history_due BOOLEAN NOT NULL DEFAULT false, -- asking for histories failed
    stars INTEGER,
    license VARCHAR,                -- as GitHub has it, SPDX
    description VARCHAR,
    forks INTEGER,
    topics VARCHAR[] NOT NULL DEFAULT [],
    is_archived BOOLEAN,
    github_id BIGINT,
    github JSON                     -- what the next look at GitHub starts from
);

-- No key on the id: the writer alone inserts, checks it, and rewrites rows in bulk.
CREATE TABLE kernel_rows (
    id VARCHAR NOT NULL,
    repo VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    cell INTEGER,
    qualname VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    dialect VARCHAR NOT NULL,
    form VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    start_line INTEGER NOT NULL,
    def_line INTEGER NOT NULL,
    end_line INTEGER NOT NULL,
    commit VARCHAR NOT NULL,
    permalink VARCHAR NOT NULL,
    summary VARCHAR,
    docstring VARCHAR,
    params STRUCT("name" VARCHAR, kind VARCHAR, "default" VARCHAR)[] NOT NULL,
    autotune STRUCT(n_configs BIGINT, "key" VARCHAR[], configs JSON),
    heuristics VARCHAR[] NOT NULL,
    decorators VARCHAR[] NOT NULL,
    tl_calls VARCHAR[] NOT NULL,
    features VARCHAR[] NOT NULL DEFAULT [],
    dtypes VARCHAR[] NOT NULL DEFAULT [],
    ops VARCHAR[] NOT NULL DEFAULT [],
    tags VARCHAR[] NOT NULL DEFAULT [],
    triton_min VARCHAR,
    triton_max VARCHAR,
    triton_declared VARCHAR,
    license VARCHAR,
    authors VARCHAR[] NOT NULL DEFAULT [],
    is_test BOOLEAN,
    is_generated BOOLEAN,
    launchers VARCHAR[] NOT NULL,
    usage VARCHAR,
    backward VARCHAR,
    forward VARCHAR,
    clone_group VARCHAR,
    n_copies INTEGER,
    origin VARCHAR,
    first_seen TIMESTAMP NOT NULL,
    last_seen TIMESTAMP,            -- set when it vanishes; until then its repository's
    removed_at TIMESTAMP,
    verified STRUCT("result" VARCHAR, gpu VARCHAR, torch VARCHAR, triton VARCHAR),
    reasons STRUCT(field VARCHAR, reason VARCHAR)[],    -- why, for what was inferred
    calls VARCHAR[] NOT NULL,
    passes VARCHAR[] NOT NULL DEFAULT [], -- of autograd functions, that launch it
    uses STRUCT("name" VARCHAR, keywords VARCHAR[], is_call BOOLEAN, guards VARCHAR[])[]
        NOT NULL DEFAULT [],
    source VARCHAR                  -- null: its facts alone came, with the package
);

CREATE VIEW kernels AS
SELECT
    k.id, k.repo, k.path, k.cell, k.qualname, k.name, k.dialect, k.form, k.role,
    k.start_line, k.def_line, k.end_line, k.commit, k.permalink, k.summary, k.docstring,
    k.params, k.autotune, k.heuristics, k.decorators, k.tl_calls, k.features, k.dtypes,
    k.ops, k.tags, k.triton_min, k.triton_max, k.triton_declared,
    k.license, k.authors, r.stars, k.is_test, k.is_generated,
    k.launchers, k.usage, k.backward, k.forward, k.clone_group, k.n_copies, k.origin,
    k.first_seen, coalesce(k.last_seen, r.last_seen_at) AS last_seen, k.removed_at, k.verified
FROM kernel_rows AS k
LEFT JOIN repos AS r ON r.name = k.repo;

-- What a source says of itself: licences, manifests, the heads of its files.
CREATE TABLE documents (
    repo VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,          -- file, head
    text VARCHAR NOT NULL
);

-- Of files that hold kernels, as of one content of theirs.
CREATE TABLE file_history (
    repo VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    blob VARCHAR NOT NULL,
    authors VARCHAR[] NOT NULL,     -- most commits first
    first_commit_at TIMESTAMP,
    last_commit_at TIMESTAMP
);

-- What runs of the verified kernels found; of each kernel the newest run on each GPU and release.
CREATE TABLE verifications (
    kernel VARCHAR NOT NULL,
    "case" VARCHAR NOT NULL,
    pass VARCHAR NOT NULL,          -- forward, backward
    dtype VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    passed BOOLEAN NOT NULL,
    max_abs_err DOUBLE,
    rel_rms_err DOUBLE,
    tolerance DOUBLE NOT NULL,
    ms DOUBLE,
    peers MAP(VARCHAR, DOUBLE) NOT NULL,
    bytes BIGINT,
    flops BIGINT,
    gpu VARCHAR,
    torch VARCHAR,
    triton VARCHAR,
    commit VARCHAR,
    plain_ms DOUBLE,                -- of plain calls, launch included
    plain_peers MAP(VARCHAR, DOUBLE) NOT NULL,
    copy_gb_per_s DOUBLE,           -- of a device copy in the same run
    spread MAP(VARCHAR, STRUCT(p20 DOUBLE, median DOUBLE, p80 DOUBLE)) NOT NULL,
    note VARCHAR,                   -- why it failed
    imported_at TIMESTAMP NOT NULL
);

CREATE TABLE skips (
    repo VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    reason VARCHAR NOT NULL
);

-- The blobs of each repository's candidate files: their scans are kept, all others dropped.
CREATE TABLE repo_blobs (
    repo VARCHAR NOT NULL,
    blob VARCHAR NOT NULL
);

CREATE TABLE scan_cache (
    blob VARCHAR NOT NULL,
    scanner_version VARCHAR NOT NULL,
    facts BLOB NOT NULL
);

CREATE TABLE runs (
    run_id VARCHAR PRIMARY KEY,
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,          -- null: cut short
    seconds DOUBLE
);

CREATE TABLE run_repos (
    run_id VARCHAR NOT NULL,
    repo VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    commit VARCHAR,
    files_seen INTEGER NOT NULL,
    files_parsed INTEGER NOT NULL,
    kernels INTEGER NOT NULL,
    added INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    skipped STRUCT(path VARCHAR, reason VARCHAR)[] NOT NULL,
    requests INTEGER NOT NULL,
    error VARCHAR,
    renamed_from VARCHAR
);

CREATE TABLE changes (
    run_id VARCHAR NOT NULL,
    repo VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,          -- added, changed, moved, removed, returned
    previous_id VARCHAR             -- of a moved kernel
);

-- The wish-list. Columns from status to duplicate_of and fulfilled_by follow from all issues of the
-- repository together and are made anew with each sync; the rest is what each issue says by itself.
CREATE TABLE wishes (
    number INTEGER NOT NULL,
    url VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    ops VARCHAR[] NOT NULL,
    status VARCHAR NOT NULL DEFAULT 'open',
    votes INTEGER NOT NULL DEFAULT 0,
    passes VARCHAR[] NOT NULL,
    dtypes VARCHAR[] NOT NULL,
    hardware VARCHAR[] NOT NULL,
    reference VARCHAR,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    duplicate_of INTEGER,
    repo VARCHAR NOT NULL,
    operation VARCHAR,
    features VARCHAR[] NOT NULL,
    shapes VARCHAR,
    why VARCHAR,
    offers_help BOOLEAN NOT NULL,
    assignees VARCHAR[] NOT NULL,
    pull_requests VARCHAR[] NOT NULL DEFAULT [],
    fulfilled_by VARCHAR,
    notes STRUCT(field VARCHAR, reason VARCHAR)[] NOT NULL,
    issue_id BIGINT NOT NULL,
    asker BIGINT,                   -- people are GitHub's numeric ids
    is_open BOOLEAN NOT NULL,
    closed_as VARCHAR,
    labels VARCHAR[] NOT NULL,
    wanting INTEGER,                -- thumbs-up and hearts; null where GitHub gave no count
    n_comments INTEGER NOT NULL,
    reactors BIGINT[] NOT NULL,
    askers BIGINT[] NOT NULL,       -- who asks again in comments
    pulls STRUCT(address VARCHAR, is_open BOOLEAN, is_merged BOOLEAN)[] NOT NULL,
    said_duplicate_of INTEGER,
    said_kernel VARCHAR,
    is_due BOOLEAN NOT NULL,        -- what is said around it is still to be read
    gone VARCHAR                    -- deleted, or transferred where to; else null
);

CREATE TABLE wish_pulls (
    repo VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    closes INTEGER[] NOT NULL,
    is_open BOOLEAN NOT NULL,
    is_merged BOOLEAN NOT NULL,
    kernel VARCHAR
);

CREATE TABLE wish_skips (
    repo VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    reason VARCHAR NOT NULL
);

-- What the index has for a wish, the best first; a wish without a row was never matched.
CREATE TABLE wish_matches (
    repo VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    matches STRUCT(id VARCHAR, score DOUBLE, reason VARCHAR)[] NOT NULL,
    matched_at TIMESTAMP NOT NULL,
    served_at TIMESTAMP             -- when it was first found that a kernel exists; said once
);

-- The one comment that answers a wish.
CREATE TABLE wish_replies (
    repo VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    comment_id BIGINT NOT NULL,
    body VARCHAR NOT NULL,
    posted_at TIMESTAMP NOT NULL
);

CREATE TABLE wish_sync (
    repo VARCHAR NOT NULL,
    etag VARCHAR,
    newest TIMESTAMP,
    swept_at TIMESTAMP,             -- null: every issue is to be listed
    rules VARCHAR NOT NULL,
    former_names VARCHAR[] NOT NULL
);

-- Of each live kernel, what its copies are told by. Null: its text was not understood.
CREATE TABLE fingerprints (
    id VARCHAR NOT NULL,
    text VARCHAR NOT NULL,          -- digest of what it was made of
    version VARCHAR NOT NULL,       -- of the rules that made it
    code VARCHAR,                   -- equal for functions that are equal after renaming
    callees VARCHAR[],              -- names that the code leaves open
    size INTEGER,
    steps VARCHAR[],                -- what it does to values
    optional_steps VARCHAR[],
    sketch BLOB,                    -- of its text, 32-bit little-endian numbers
    flow BLOB,                      -- likewise of its steps with their operands
    whole VARCHAR                   -- the code with that of all it calls, of those with copies
);

-- What follows is derived from kernel_rows and made anew whenever they change.

CREATE TABLE search_documents (
    num INTEGER NOT NULL,
    id VARCHAR NOT NULL,
    joined VARCHAR[] NOT NULL       -- its name and ops, the words of each written together
);

CREATE TABLE search_postings (
    term VARCHAR NOT NULL,
    num INTEGER NOT NULL,
    weight FLOAT NOT NULL
);

CREATE TABLE search_aliases (
    phrase VARCHAR NOT NULL,        -- what an op is called, the terms of its words written together
    term VARCHAR NOT NULL           -- that of the op's own name
);

CREATE TABLE search_words (
    word VARCHAR NOT NULL,          -- as written, lower case
    term VARCHAR NOT NULL,          -- what it is compared by; a joined word: its parts' with +
    n INTEGER NOT NULL              -- how often it occurs; 0: only ever written apart
);
