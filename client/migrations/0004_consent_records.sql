-- Consent events with what a record of consent holds (docs/consent.md), each with a salt and the leaf that
-- stands for it in the log's tree. Erasing a person empties an event but for its position and leaf, so that the
-- root over the leaves still stands. An event without a customer is one about everybody. Runs while foreign keys
-- are off. `secure_bytes` and `consent_leaf_1` are functions of this program (client.vault).

CREATE TABLE consent_events (
    position INTEGER PRIMARY KEY,
    leaf BLOB NOT NULL CHECK (length(leaf) = 32),
    salt BLOB CHECK (length(salt) = 32),
    event_id TEXT,
    customer INTEGER REFERENCES customers (customer),
    purpose TEXT,
    channel TEXT,
    act TEXT,
    "at" INTEGER,
    valid_until INTEGER,
    method TEXT,
    source TEXT,
    notice_version TEXT,
    language TEXT,
    notice_sha256 BLOB,
    evidence_sha256 BLOB
) STRICT;
INSERT INTO consent_events
    (position, leaf, salt, event_id, customer, purpose, channel, act, "at", method, source)
    SELECT position, zeroblob(32), secure_bytes(32), lower(hex(secure_bytes(16))), customer, purpose,
        'everywhere', CASE answer WHEN 'grant' THEN 'given' WHEN 'withdrawal' THEN 'withdrawn' ELSE answer END,
        recorded_at, 'import', source
    FROM consents ORDER BY position;
UPDATE consent_events SET leaf = consent_leaf_1(salt, event_id, customer, purpose, act, "at", source);
DROP TABLE consents;
ALTER TABLE consent_events RENAME TO consents;
CREATE INDEX consents_by_customer ON consents (customer, purpose, "at");
CREATE INDEX consents_erased ON consents (position) WHERE act IS NULL;
CREATE TRIGGER consents_are_not_changed BEFORE UPDATE ON consents
WHEN new.position <> old.position OR new.leaf <> old.leaf OR coalesce(new.salt, new.event_id, new.customer,
    new.purpose, new.channel, new.act, new."at", new.valid_until, new.method, new.source, new.notice_version,
    new.language, new.notice_sha256, new.evidence_sha256) IS NOT NULL
BEGIN
    SELECT raise(ABORT, 'consent events are never changed, only erased with the person');
END;
CREATE TRIGGER consents_are_not_removed BEFORE DELETE ON consents
BEGIN
    SELECT raise(ABORT, 'consent events are never removed');
END;

-- Whether the log's head was ever kept outside this file: from then on it must be there. And how often something
-- changed that does not show in the log's root: a person emptied, excluded or taken back in.
CREATE TABLE consent_anchor (
    is_kept INTEGER NOT NULL CHECK (is_kept IN (0, 1)),
    changes INTEGER NOT NULL,
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1)
) STRICT;
INSERT INTO consent_anchor VALUES (0, 0, 1);
CREATE TRIGGER consents_emptied_are_counted AFTER UPDATE ON consents
BEGIN
    UPDATE consent_anchor SET changes = changes + 1;
END;

-- The exact texts that customers were shown, each once.
CREATE TABLE notices (
    sha256 BLOB PRIMARY KEY CHECK (length(sha256) = 32),
    version TEXT NOT NULL CHECK (version <> ''),
    language TEXT NOT NULL CHECK (language <> ''),
    text TEXT NOT NULL CHECK (text <> ''),
    added_at INTEGER NOT NULL,
    UNIQUE (version, language)
) STRICT, WITHOUT ROWID;

-- Whose data is used for no purpose, whatever they agreed to. Goes with the customer.
CREATE TABLE exclusions (
    customer INTEGER NOT NULL REFERENCES customers (customer) ON DELETE CASCADE,
    reason TEXT NOT NULL CHECK (reason IN ('minor', 'restricted')),
    PRIMARY KEY (customer, reason)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER exclusions_are_counted AFTER INSERT ON exclusions
BEGIN
    UPDATE consent_anchor SET changes = changes + 1;
END;
CREATE TRIGGER inclusions_are_counted AFTER DELETE ON exclusions
BEGIN
    UPDATE consent_anchor SET changes = changes + 1;
END;
