-- Files pushed beside a workflow's text, such as the templates it fills in.
CREATE TABLE automation_version_files (
    organization_id  text NOT NULL REFERENCES organizations,
    version_id       text NOT NULL REFERENCES automation_versions,
    path             text NOT NULL,
    sha256           text NOT NULL,
    size             bigint NOT NULL,
    content_type     text NOT NULL,
    PRIMARY KEY (version_id, path)
);
CREATE INDEX automation_version_files_by_hash ON automation_version_files (organization_id, sha256);
CREATE TRIGGER automation_version_files_append_only BEFORE UPDATE OR DELETE ON automation_version_files
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
