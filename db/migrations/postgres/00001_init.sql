-- Adopts the tables of the Node version, whichever of its migrations have run, or makes them. Rows stay as they are.
-- The Node version goes on working with the result: it does not look at what is added here.

-- +goose Up
CREATE TABLE IF NOT EXISTS applications (
    id         varchar(255) PRIMARY KEY,
    name       varchar(255),
    created_by varchar(255),
    created_at timestamptz,
    updated_at timestamptz
);

CREATE TABLE IF NOT EXISTS application_users (
    application_id varchar(255) REFERENCES applications (id),
    user_id        varchar(255)
);

CREATE TABLE IF NOT EXISTS keys (
    id             varchar(255) PRIMARY KEY,
    application_id varchar(255) REFERENCES applications (id),
    secret         varchar(1024),
    created_by     varchar(255),
    expires        timestamptz,
    purpose        varchar(255),
    created_at     timestamptz,
    updated_at     timestamptz,
    last_used      timestamptz,
    use_count      bigint
);

-- The second and third knex migration, for a database that stopped before them.
ALTER TABLE keys ADD COLUMN IF NOT EXISTS last_used timestamptz;
ALTER TABLE keys ADD COLUMN IF NOT EXISTS use_count bigint;
ALTER TABLE keys ALTER COLUMN secret TYPE varchar(1024);

-- It was an integer, which a busy key fills in weeks; from then on no use of any key could be written.
ALTER TABLE keys ALTER COLUMN use_count TYPE bigint;

ALTER TABLE keys ADD COLUMN IF NOT EXISTS revoked_at timestamptz;

CREATE INDEX IF NOT EXISTS keys_application_id ON keys (application_id);
CREATE INDEX IF NOT EXISTS application_users_application_id ON application_users (application_id);

-- +goose Down
-- There is no way down: the tables may be older than this migration, and without revoked_at every revoked key would
-- work again.
-- +goose StatementBegin
DO $$
BEGIN
    RAISE EXCEPTION 'migration 1 has no way down: it would destroy adopted rows and bring revoked keys back';
END
$$;
-- +goose StatementEnd
