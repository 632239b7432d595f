"""The database's schema as an ordered list of migrations, each run once and never changed afterwards."""

from __future__ import annotations

#: Migrations in order; PRAGMA user_version counts how many have been applied. Never edit one: append.
MIGRATIONS = (
    """
    create table run (              -- one call of `ferbench run`
        id          integer primary key,
        provenance  text not null   -- JSON of types.Provenance
    );
    create table sample (           -- an image of a data set
        id          integer primary key,
        data_digest text not null,
        position    integer not null,  -- in the EvalSet's order
        name        text not null,     -- sha256 of its pixels
        label       integer not null,  -- index into the data set's classes
        unique (data_digest, name)
    );
    create table cell (             -- one attempt at one number of the matrix
        id          integer primary key,
        key         text not null,  -- types.Cell.key
        attempt     integer not null,
        run_id      integer not null references run(id),
        status      text not null,  -- running, done, failed
        error       text not null default '',
        definition  text not null,  -- JSON of types.Cell: what can change the number
        context     text not null,  -- JSON of CellContext: what a reader wants to know besides
        updated     text not null,  -- UTC
        unique (key, attempt)
    );
    create table shard (            -- what one transaction brought, and its cost
        id                  integer primary key,
        cell_id             integer not null references cell(id),
        run_id              integer not null references run(id),
        seconds             real not null,
        forward_rows        integer not null,
        backward_rows       integer not null,
        zero_gradient_rows  integer not null,
        bad_gradient_rows   integer not null,
        unconfirmed         integer not null
    );
    create table verdict (          -- types.Verdict; null: not measured
        cell_id             integer not null references cell(id),
        sample_id           integer not null references sample(id),
        shard_id            integer not null references shard(id),
        label               integer not null,
        clean_prediction    integer not null,
        fooled              integer not null,
        attacked_prediction integer not null,
        norm                real,
        eight_bit           integer,
        first_query         integer,
        forwards            integer not null,
        backwards           integer not null,
        primary key (cell_id, sample_id)
    ) without rowid;
    """,
    """
    -- target: the class that a targeted attack aimed at
    alter table verdict add column target integer;
    -- what a regressor predicted, before and under attack; of a sample: what is true
    alter table verdict add column clean_valence real;
    alter table verdict add column clean_arousal real;
    alter table verdict add column attacked_valence real;
    alter table verdict add column attacked_arousal real;
    alter table sample add column valence real;
    alter table sample add column arousal real;
    create table stage (            -- of a suite or a curve: what one of its attacks did to one sample
        cell_id     integer not null references cell(id),
        sample_id   integer not null references sample(id),
        number      integer not null,  -- of the stage, from 0
        fooled      integer not null,
        forwards    integer not null,  -- of this stage alone
        backwards   integer not null,
        primary key (cell_id, sample_id, number)
    ) without rowid;
    create table examination (      -- what was found in a model before it was attacked
        id           integer primary key,
        run_id       integer not null references run(id),
        model_digest text not null,  -- as in the cell's definition
        data_digest  text not null,
        findings     text not null   -- JSON: a list of types.Finding
    );
    """,
)
