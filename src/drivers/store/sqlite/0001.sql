-- The single table: what is found by key. An environment is three almost identical records (by id; by app; by
-- app and branch), an app is three, the claim of a slug two. Only the record by id carries version and indexes.
CREATE TABLE records (
    pk TEXT NOT NULL,
    sk TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    body TEXT NOT NULL,
    -- When the environment must be looked at next.
    due_at INTEGER,
    -- 1 when the record names a machine.
    machines INTEGER,
    -- repository#number, of a preview.
    pull_request TEXT,
    -- Where its two other records are: the app's partition, and the sort keys there.
    app TEXT,
    app_key TEXT,
    branch_key TEXT,
    UNIQUE (pk, sk)
) STRICT;
CREATE INDEX records_due ON records (due_at, pk) WHERE due_at IS NOT NULL;
CREATE INDEX records_machines ON records (pk) WHERE machines = 1;
CREATE INDEX records_pull_request ON records (pull_request, pk) WHERE pull_request IS NOT NULL;

CREATE TABLE deployments (
    environment TEXT NOT NULL,
    generation INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (environment, generation)
) STRICT;

-- AUTOINCREMENT: a number is never given twice, also after the newest events were removed.
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL,
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX events_environment ON events (environment, number);

CREATE TABLE cursors (
    consumer TEXT PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;

-- Inputs that were decided on, with the answer that a repeat gets.
CREATE TABLE inputs (
    environment TEXT NOT NULL,
    input TEXT NOT NULL,
    answer TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (environment, input)
) STRICT, WITHOUT ROWID;
CREATE INDEX inputs_at ON inputs (at);

-- Secrets (as envelopes) and plain variables.
CREATE TABLE app_values (
    app TEXT NOT NULL,
    class TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (app, class, name)
) STRICT;

CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    -- NULL while it is pending.
    state TEXT
) STRICT;
CREATE INDEX deliveries_pending ON deliveries (at, number) WHERE state IS NULL;
CREATE INDEX deliveries_at ON deliveries (at, number);

-- One row that a check writes, to prove that the store can.
CREATE TABLE health (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    checks INTEGER NOT NULL
) STRICT;
INSERT INTO health (id, checks) VALUES (1, 0);
