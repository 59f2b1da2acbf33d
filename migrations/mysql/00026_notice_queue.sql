-- Notices that wait to be sent to one mailbox, alone or with others in one mail. The recipient is the subject_id of the row in
-- announcements that sends them: a channel and the hash of an address.

-- +goose Up
CREATE TABLE IF NOT EXISTS notice_queue (
    recipient VARCHAR(128) NOT NULL,
    notice_id VARCHAR(64)  NOT NULL,
    queued_at DATETIME(3)  NOT NULL,
    notice    MEDIUMTEXT   NOT NULL,            -- JSON
    PRIMARY KEY (recipient, notice_id),
    KEY notice_queue_order (recipient, queued_at, notice_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
