-- What the admin API keeps: settings of applications, the secret that a rotated key had before, and who changed what.

-- +goose Up
ALTER TABLE applications ADD COLUMN settings text; -- JSON; null for the server's defaults

ALTER TABLE keys ADD COLUMN previous_secret varchar(1024);
ALTER TABLE keys ADD COLUMN previous_until datetime;

CREATE INDEX application_users_user_id ON application_users (user_id, application_id);

-- Rows outlive what they are about, hence no reference.
CREATE TABLE audit (
    id             integer PRIMARY KEY AUTOINCREMENT, -- so that no id is ever used again
    at             datetime NOT NULL,
    actor          varchar(255) NOT NULL,
    action         varchar(255) NOT NULL,
    application_id varchar(255),
    target         varchar(255),
    before         text, -- JSON
    after          text  -- JSON
);

CREATE INDEX audit_application_id ON audit (application_id, id);

-- +goose Down
DROP TABLE audit;
DROP INDEX application_users_user_id;
ALTER TABLE keys DROP COLUMN previous_until;
ALTER TABLE keys DROP COLUMN previous_secret;
ALTER TABLE applications DROP COLUMN settings;
