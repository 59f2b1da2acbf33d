-- Notices that wait to be sent to one mailbox; the same table as in ../mysql, which tells more about it.

-- +goose Up
CREATE TABLE notice_queue (
    recipient TEXT NOT NULL,
    notice_id TEXT NOT NULL,
    queued_at TEXT NOT NULL,
    notice    TEXT NOT NULL,                    -- JSON
    PRIMARY KEY (recipient, notice_id)
) STRICT;
CREATE INDEX notice_queue_order ON notice_queue (recipient, queued_at, notice_id);
