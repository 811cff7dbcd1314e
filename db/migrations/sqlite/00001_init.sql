-- Adopts the tables of the Node version, or makes them in their old form; either way the same columns are then added.
-- Rows stay as they are. The Node version goes on working with the result: it does not look at what is added here.

-- +goose Up
CREATE TABLE IF NOT EXISTS applications (
    id         varchar(255) PRIMARY KEY,
    name       varchar(255),
    created_by varchar(255),
    created_at datetime,
    updated_at datetime
);

CREATE TABLE IF NOT EXISTS application_users (
    application_id varchar(255) REFERENCES applications (id),
    user_id        varchar(255)
);

CREATE TABLE IF NOT EXISTS keys (
    id             varchar(255) PRIMARY KEY,
    application_id varchar(255) REFERENCES applications (id),
    secret         varchar(255), -- SQLite does not hold anyone to a length
    created_by     varchar(255),
    expires        datetime,
    purpose        varchar(255),
    created_at     datetime,
    updated_at     datetime,
    last_used      datetime,
    use_count      integer
);

ALTER TABLE keys ADD COLUMN revoked_at datetime;

CREATE INDEX IF NOT EXISTS keys_application_id ON keys (application_id);
CREATE INDEX IF NOT EXISTS application_users_application_id ON application_users (application_id);

-- +goose Down
-- There is no way down: the tables may be older than this migration, and without revoked_at every revoked key would
-- work again. Only a trigger can raise an error in SQLite.
CREATE TEMP TABLE way_down (version integer);
-- +goose StatementBegin
CREATE TEMP TRIGGER no_way_down BEFORE INSERT ON way_down
BEGIN
    SELECT RAISE(ABORT, 'migration 1 has no way down: it would destroy adopted rows and bring revoked keys back');
END;
-- +goose StatementEnd
INSERT INTO way_down VALUES (1);
