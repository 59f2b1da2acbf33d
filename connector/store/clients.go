package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
)

var _ client.Store = (*Store)(nil)

type clientRow struct {
	Name      string `gorm:"primaryKey"`
	Scopes    sqldb.JSONColumn[client.Scopes]
	Created   sqldb.Timestamp `gorm:"column:created_at"`
	ExpiresAt sqldb.Timestamp
	MAC       []byte
}

// TableName implements gorm's Tabler.
func (clientRow) TableName() string { return "clients" }

// guarded returns the columns of the row that decide what the client may do.
func (row *clientRow) guarded() guardedRow {
	scopes := row.Scopes.V
	operations := make([]string, len(scopes.Operations))
	for i, op := range scopes.Operations {
		operations[i] = string(op)
	}
	columns := []guardedColumn{
		{"tenants", guardedList(scopes.Tenants), formBound},
		{"apis", guardedList(scopes.APIs), formBound},
		{"directories", guardedList(scopes.Directories), formBound},
		{"operations", guardedList(operations), formBound},
		{"expires_at", timePart(row.ExpiresAt.Time), formBound},
	}
	// A client without rules has the MAC that it had before there were any. Adding or removing rules makes it wrong.
	if len(scopes.Forward) > 0 {
		rules := make([]string, len(scopes.Forward))
		for i, rule := range scopes.Forward {
			rules[i] = guardedList(append([]string{rule.API, rule.Path}, rule.Methods...))
		}
		columns = append(columns, guardedColumn{"forward", guardedList(rules), formBound})
	}
	return guardedRow{row.TableName(), row.Name, columns}
}

func (s *Store) clientOf(row clientRow) client.Client {
	return client.Client{
		Name: row.Name, Scopes: row.Scopes.V, CreatedAt: row.Created.Time, ExpiresAt: row.ExpiresAt.Time,
		Altered: !s.proven(row.guarded(), row.MAC),
	}
}

type clientKeyRow struct {
	ID         string `gorm:"primaryKey"`
	Client     string
	KeyHash    string
	PublicKey  sqldb.NullString
	Created    sqldb.Timestamp `gorm:"column:created_at"`
	ExpiresAt  sqldb.Timestamp
	LastUsedAt sqldb.Timestamp
	MAC        []byte
}

// TableName implements gorm's Tabler.
func (clientKeyRow) TableName() string { return "client_keys" }

// guarded returns the columns of the row that decide whose key it is, and until when.
func (row *clientKeyRow) guarded() guardedRow {
	columns := []guardedColumn{
		{"client", row.Client, formBound},
		{"key_hash", row.KeyHash, formBound},
		{"expires_at", timePart(row.ExpiresAt.Time), formBound},
	}
	// A key without a public one has the MAC that it had before there were any. Adding or removing one makes it wrong.
	if row.PublicKey != "" {
		columns = append(columns, guardedColumn{"public_key", string(row.PublicKey), formBound})
	}
	return guardedRow{row.TableName(), row.ID, columns}
}

func (s *Store) keyOf(row clientKeyRow) client.Key {
	return client.Key{
		ID: row.ID, Client: row.Client, Hash: row.KeyHash, PublicKey: string(row.PublicKey), CreatedAt: row.Created.Time, ExpiresAt: row.ExpiresAt.Time, LastUsedAt: row.LastUsedAt.Time,
		Altered: !s.proven(row.guarded(), row.MAC),
	}
}

// Client implements client.Store.
func (s *Store) Client(ctx context.Context, name string) (client.Client, error) {
	row, err := s.readClient(ctx, name)
	if err != nil {
		return client.Client{}, err
	}
	return s.clientOf(row), nil
}

func (s *Store) readClient(ctx context.Context, name string) (row clientRow, err error) {
	err = s.db.Read(ctx, func(db *gorm.DB) error { return takeOne(db.Where("name = ?", name), &row) })
	if err == nil {
		err = mustMatchKey(row.Name, name)
	}
	if err != nil {
		return clientRow{}, fmt.Errorf("reading client %q: %w", name, err)
	}
	return row, nil
}

// Clients implements client.Store.
func (s *Store) Clients(ctx context.Context) ([]client.Client, error) {
	var rows []clientRow
	if err := s.db.Read(ctx, func(db *gorm.DB) error { return db.Order("name").Find(&rows).Error }); err != nil {
		return nil, fmt.Errorf("reading clients: %w", err)
	}
	clients := make([]client.Client, len(rows))
	for i, row := range rows {
		clients[i] = s.clientOf(row)
	}
	return clients, nil
}

// AddClient implements client.Store.
func (s *Store) AddClient(ctx context.Context, c client.Client) error {
	row := clientRow{
		Name: c.Name, Scopes: sqldb.NewJSONColumn(c.Scopes),
		Created: sqldb.NewTimestamp(c.CreatedAt), ExpiresAt: sqldb.NewTimestamp(c.ExpiresAt),
	}
	row.MAC = s.rowMAC(row.guarded())
	return s.insert(ctx, &row, fmt.Sprintf("client %q", c.Name))
}

// AddKey implements client.Store.
func (s *Store) AddKey(ctx context.Context, k client.Key) error {
	row := clientKeyRow{
		ID: k.ID, Client: k.Client, KeyHash: k.Hash, PublicKey: sqldb.NullString(k.PublicKey),
		Created: sqldb.NewTimestamp(k.CreatedAt), ExpiresAt: sqldb.NewTimestamp(k.ExpiresAt), LastUsedAt: sqldb.NewTimestamp(k.LastUsedAt),
	}
	row.MAC = s.rowMAC(row.guarded())
	return s.insert(ctx, &row, fmt.Sprintf("a key of client %q", k.Client))
}

func (s *Store) insert(ctx context.Context, row any, what string) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error { return db.Create(row).Error })
	if err = insertError(err); err != nil {
		return fmt.Errorf("adding %s: %w", what, err)
	}
	return nil
}

// DeleteClient implements client.Store. Deleting a client that does not exist is no error.
func (s *Store) DeleteClient(ctx context.Context, name string) error {
	err := s.Transact(ctx, func(ctx context.Context) error {
		return s.db.Write(ctx, func(db *gorm.DB) error {
			if err := db.Where("client = ?", name).Delete(&clientKeyRow{}).Error; err != nil {
				return err
			}
			return db.Where("name = ?", name).Delete(&clientRow{}).Error
		})
	})
	if err != nil {
		return fmt.Errorf("deleting client %q: %w", name, err)
	}
	return nil
}

// DeleteKey implements client.Store.
func (s *Store) DeleteKey(ctx context.Context, name, id string) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return mustAffect(db.Where("client = ? AND id = ?", name, id).Delete(&clientKeyRow{}), tenant.ErrNotFound)
	})
	if err != nil {
		return fmt.Errorf("deleting a key of client %q: %w", name, err)
	}
	return nil
}

// Keys implements client.Store.
func (s *Store) Keys(ctx context.Context, name string) ([]client.Key, error) {
	var rows []clientKeyRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Where("client = ?", name).Order("created_at, id").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading the keys of client %q: %w", name, err)
	}
	keys := make([]client.Key, len(rows))
	for i, row := range rows {
		keys[i] = s.keyOf(row)
	}
	return keys, nil
}

// ClientByKey implements client.Store.
func (s *Store) ClientByKey(ctx context.Context, hash string) (client.Client, client.Key, error) {
	var found struct {
		Key    clientKeyRow `gorm:"embedded;embeddedPrefix:k_"`
		Client clientRow    `gorm:"embedded;embeddedPrefix:c_"`
	}
	const query = "SELECT k.id AS k_id, k.client AS k_client, k.key_hash AS k_key_hash, k.public_key AS k_public_key, k.created_at AS k_created_at, k.expires_at AS k_expires_at, " +
		"k.last_used_at AS k_last_used_at, k.mac AS k_mac, c.name AS c_name, c.scopes AS c_scopes, c.created_at AS c_created_at, " +
		"c.expires_at AS c_expires_at, c.mac AS c_mac FROM client_keys k JOIN clients c ON c.name = k.client WHERE k.key_hash = ?"
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		found.Key = clientKeyRow{}
		read := db.Raw(query, hash).Scan(&found)
		return mustAffect(read, tenant.ErrNotFound)
	})
	if err == nil {
		err = mustMatchKey(found.Key.KeyHash, hash)
	}
	if err != nil {
		return client.Client{}, client.Key{}, fmt.Errorf("reading the client of a key: %w", err)
	}
	return s.clientOf(found.Client), s.keyOf(found.Key), nil
}

// TouchKeyOf implements client.Store. A key that was deleted meanwhile is no error.
func (s *Store) TouchKeyOf(ctx context.Context, id string, at time.Time) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Model(&clientKeyRow{}).Where("id = ?", id).Update("last_used_at", sqldb.NewTimestamp(at)).Error
	})
	if err != nil {
		return fmt.Errorf("storing when key %q was used: %w", id, err)
	}
	return nil
}

// endPart returns when something ends, or never.
func endPart(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return timePart(t)
}

// describeClient describes an altered client, or an altered key of one.
func (s *Store) describeClient(ctx context.Context, table, id string) (AlteredRow, error) {
	if table == (clientRow{}).TableName() {
		row, err := s.readClient(ctx, id)
		scopes := row.Scopes.V
		rules := make([]string, len(scopes.Forward))
		for i, rule := range scopes.Forward {
			rules[i] = rule.String()
		}
		return AlteredRow{Table: table, Client: id, Columns: []ColumnOfRow{
			{"forward", strings.Join(rules, "; ")},
			{"tenants", strings.Join(scopes.Tenants, " ")},
			{"apis", strings.Join(scopes.APIs, " ")},
			{"directories", strings.Join(scopes.Directories, " ")},
			{"operations", strings.Trim(fmt.Sprint(scopes.Operations), "[]")},
			{"expires_at", endPart(row.ExpiresAt.Time)},
		}}, err
	}
	var row clientKeyRow
	err := s.db.Read(ctx, func(db *gorm.DB) error { return takeOne(db.Where("id = ?", id), &row) })
	if err != nil {
		err = fmt.Errorf("reading key %q: %w", id, err)
	}
	return AlteredRow{Table: table, Client: row.Client, Key: id, Columns: []ColumnOfRow{
		{"client", row.Client}, {"public_key", string(row.PublicKey)}, {"expires_at", endPart(row.ExpiresAt.Time)},
	}}, err
}

// ErrRemoveInstead is returned for an altered row that cannot be accepted, because there is no telling what it was.
var ErrRemoveInstead = errors.New("a client or a key that was altered cannot be accepted: remove it and add it again (connector clients)")
