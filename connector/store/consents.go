package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

type consentRow struct {
	ID             string `gorm:"primaryKey"`
	TenantID       string
	ProcedureName  string
	Status         string
	Link           []byte
	LinkHash       sqldb.NullString
	BrowserHash    string
	AskedBy        actorColumns    `gorm:"embedded;embeddedPrefix:asked_by_"`
	Created        sqldb.Timestamp `gorm:"column:created_at"`
	ExpiresAt      sqldb.Timestamp
	OpenedAt       sqldb.Timestamp
	EndedAt        sqldb.Timestamp
	Failure        sqldb.JSONColumn[*failure.Record]
	ConsentedBy    sqldb.JSONColumn[token.Person]
	ClaimHash      sqldb.NullString
	ReplacedHash   sqldb.NullString `gorm:"column:replaced_claim_hash"`
	ClaimExpiresAt sqldb.Timestamp
	ClaimAttempts  int
	PurgeAt        sqldb.Timestamp
	Version        int64
}

// TableName implements gorm's Tabler.
func (consentRow) TableName() string { return "consents" }

func (s *Store) consentRow(c consent.Consent) (consentRow, error) {
	sealed, err := s.seal(c.Link, "consents", c.ID, "link", c.TenantID)
	if err != nil {
		return consentRow{}, err
	}
	return consentRow{
		ID:             c.ID,
		TenantID:       c.TenantID,
		ProcedureName:  string(c.Procedure),
		Status:         string(c.Status),
		Link:           sealed,
		LinkHash:       sqldb.NullString(c.LinkHash),
		BrowserHash:    c.BrowserHash,
		AskedBy:        actorOf(c.AskedBy),
		Created:        sqldb.NewTimestamp(c.CreatedAt),
		ExpiresAt:      sqldb.NewTimestamp(c.ExpiresAt),
		OpenedAt:       sqldb.NewTimestamp(c.OpenedAt),
		EndedAt:        sqldb.NewTimestamp(c.EndedAt),
		Failure:        sqldb.NewJSONColumn(c.Failure),
		ConsentedBy:    sqldb.NewJSONColumn(c.ConsentedBy),
		ClaimHash:      sqldb.NullString(c.ClaimHash),
		ReplacedHash:   sqldb.NullString(c.ReplacedHashes),
		ClaimExpiresAt: sqldb.NewTimestamp(c.ClaimExpiresAt),
		ClaimAttempts:  c.ClaimAttempts,
		PurgeAt:        sqldb.NewTimestamp(purgeAt(c)),
		Version:        c.Version,
	}, nil
}

// purgeAt returns when c ended or ends: nothing comes of it any more.
func purgeAt(c consent.Consent) time.Time {
	switch {
	case !c.EndedAt.IsZero():
		return c.EndedAt
	case c.ClaimExpiresAt.After(c.ExpiresAt):
		return c.ClaimExpiresAt
	}
	return c.ExpiresAt
}

func (s *Store) consentOf(row consentRow) consent.Consent {
	opened, _ := s.unseal(row.Link, "consents", row.ID, "link", row.TenantID) // empty when it does not open
	return consent.Consent{
		ID:             row.ID,
		TenantID:       row.TenantID,
		Procedure:      token.Procedure(row.ProcedureName),
		Status:         consent.Status(row.Status),
		Link:           opened,
		LinkHash:       string(row.LinkHash),
		BrowserHash:    row.BrowserHash,
		AskedBy:        row.AskedBy.actor(),
		CreatedAt:      row.Created.Time,
		ExpiresAt:      row.ExpiresAt.Time,
		OpenedAt:       row.OpenedAt.Time,
		EndedAt:        row.EndedAt.Time,
		Failure:        row.Failure.V,
		ConsentedBy:    row.ConsentedBy.V,
		ClaimHash:      string(row.ClaimHash),
		ReplacedHashes: string(row.ReplacedHash),
		ClaimExpiresAt: row.ClaimExpiresAt.Time,
		ClaimAttempts:  row.ClaimAttempts,
		Version:        row.Version,
	}
}

// Consent implements consent.Store.
func (s *Store) Consent(ctx context.Context, id string) (consent.Consent, error) {
	c, err := s.findConsent(ctx, func(db *gorm.DB) *gorm.DB { return db.Where("id = ?", id) })
	if err == nil {
		err = mustMatchKey(c.ID, id)
	}
	if err != nil {
		return consent.Consent{}, fmt.Errorf("reading consent %q: %w", id, err)
	}
	return c, nil
}

// ConsentByLink implements consent.Store.
func (s *Store) ConsentByLink(ctx context.Context, linkHash string) (consent.Consent, error) {
	c, err := s.findConsent(ctx, func(db *gorm.DB) *gorm.DB { return db.Where("link_hash = ?", linkHash) })
	if err == nil {
		err = mustMatchKey(c.LinkHash, linkHash)
	}
	if err != nil {
		return consent.Consent{}, fmt.Errorf("reading the consent of a link: %w", err)
	}
	return c, nil
}

// OpenConsent implements consent.Store. It checks the status only: a consent that timed out may still be open.
func (s *Store) OpenConsent(ctx context.Context, tenantID string, p token.Procedure) (consent.Consent, error) {
	c, err := s.findConsent(ctx, func(db *gorm.DB) *gorm.DB {
		return db.Where("tenant_id = ? AND procedure_name = ? AND status IN ?", tenantID, string(p),
			[]string{string(consent.Waiting), string(consent.Claimable)}).Order("created_at DESC, id DESC")
	})
	if err != nil {
		return consent.Consent{}, fmt.Errorf("reading the open %s consent of tenant %q: %w", p, tenantID, err)
	}
	return c, nil
}

// NewestConsent implements consent.Store.
func (s *Store) NewestConsent(ctx context.Context, tenantID string, p token.Procedure) (consent.Consent, error) {
	c, err := s.findConsent(ctx, func(db *gorm.DB) *gorm.DB {
		return db.Where("tenant_id = ? AND procedure_name = ?", tenantID, string(p)).Order("created_at DESC, id DESC")
	})
	if err != nil {
		return consent.Consent{}, fmt.Errorf("reading the newest %s consent of tenant %q: %w", p, tenantID, err)
	}
	return c, nil
}

func (s *Store) findConsent(ctx context.Context, which func(db *gorm.DB) *gorm.DB) (consent.Consent, error) {
	var row consentRow
	if err := s.db.Read(ctx, func(db *gorm.DB) error { return takeOne(which(db), &row) }); err != nil {
		return consent.Consent{}, err
	}
	return s.consentOf(row), nil
}

// SaveConsent implements consent.Store. It returns tenant.ErrNotFound when the tenant does not exist. AddState alone changes
// OpenedAt, so that opening Microsoft's page never collides with another change.
func (s *Store) SaveConsent(ctx context.Context, c *consent.Consent) error {
	saved := *c
	saved.Version++
	row, err := s.consentRow(saved)
	if err != nil {
		return err
	}
	saved.CreatedAt, saved.ExpiresAt, saved.EndedAt = row.Created.Time, row.ExpiresAt.Time, row.EndedAt.Time
	saved.ClaimExpiresAt = row.ClaimExpiresAt.Time
	err = s.db.Write(ctx, func(db *gorm.DB) error {
		if c.Version == 0 {
			return db.Create(&row).Error
		}
		return mustAffect(db.Model(&consentRow{}).
			Where("id = ? AND version = ?", c.ID, c.Version).
			Select("*").Omit("id", "opened_at").Updates(&row), tenant.ErrChanged)
	})
	if err = insertError(err); err != nil {
		return fmt.Errorf("saving consent %q: %w", c.ID, err)
	}
	sqldb.SetUntilRollback(ctx, s.db, c, saved)
	return nil
}

// CloseOthers implements consent.Store.
func (s *Store) CloseOthers(ctx context.Context, tenantID, consentID string, now time.Time) ([]string, error) {
	var ids []string
	at := sqldb.NewTimestamp(now)
	err := s.Transact(ctx, func(ctx context.Context) error {
		return s.db.Write(ctx, func(db *gorm.DB) error {
			ids = nil
			err := db.Model(&consentRow{}).Where("tenant_id = ? AND procedure_name = ? AND status = ? AND id <> ?",
				tenantID, string(token.Automatic), string(consent.Waiting), consentID).Order("id").Pluck("id", &ids).Error
			if err != nil || len(ids) == 0 {
				return err
			}
			closed := db.Model(&consentRow{}).Where("id IN ? AND status = ?", ids, string(consent.Waiting)).
				Updates(map[string]any{"status": string(consent.Closed), "ended_at": at, "purge_at": at, "version": gorm.Expr("version + 1")})
			if closed.Error == nil && closed.RowsAffected != int64(len(ids)) {
				return tenant.ErrChanged // one of them ended meanwhile
			}
			return closed.Error
		})
	})
	if err != nil {
		return nil, fmt.Errorf("closing the other consents of tenant %q: %w", tenantID, err)
	}
	return ids, nil
}

// CountClaim implements consent.Store.
func (s *Store) CountClaim(ctx context.Context, consentID string, limit int) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return mustAffect(db.Model(&consentRow{}).
			Where("id = ? AND status IN ? AND claim_attempts < ?", consentID, []string{string(consent.Claimable), string(consent.Confirmable)}, limit).
			Updates(map[string]any{"claim_attempts": gorm.Expr("claim_attempts + 1"), "version": gorm.Expr("version + 1")}), tenant.ErrChanged)
	})
	if err != nil {
		return fmt.Errorf("counting a claim code of consent %q: %w", consentID, err)
	}
	return nil
}

// Purge implements consent.Store.
func (s *Store) Purge(ctx context.Context, before time.Time) error {
	err := s.inBatches(ctx, &stateRow{}, "ended_at", before, func(ended *gorm.DB) error {
		return ended.Delete(&stateRow{}).Error
	})
	if err != nil {
		return fmt.Errorf("purging states: %w", err)
	}
	err = s.inBatches(ctx, &consentRow{}, "purge_at", before, func(ended *gorm.DB) error {
		return ended.Delete(&consentRow{}).Error
	})
	if err != nil {
		return fmt.Errorf("purging consents: %w", err)
	}
	if err := s.purgeAllowances(ctx, before); err != nil {
		return fmt.Errorf("purging allowances: %w", err)
	}
	return nil
}

// EndMisdated implements consent.Store. The first condition of each statement is that of an index: only what has not ended has
// such times.
func (s *Store) EndMisdated(ctx context.Context, latest consent.Latest) error {
	now, happened := sqldb.NewTimestamp(latest.Now), sqldb.NewTimestamp(latest.Happened)
	signIn, link, claim := sqldb.NewTimestamp(latest.SignIn), sqldb.NewTimestamp(latest.Link), sqldb.NewTimestamp(latest.Claim)
	return s.db.Write(ctx, func(db *gorm.DB) error {
		err := db.Where("ended_at > ?", now).
			Where("(created_at > ? OR used_at > ? OR expires_at > ? OR (browser_hash <> '' AND expires_at > ?))", happened, happened, link, signIn).
			Delete(&stateRow{}).Error
		if err != nil {
			return err
		}
		earliest := func(column string) any {
			return gorm.Expr("CASE WHEN "+column+" > ? THEN ? ELSE "+column+" END", now, now)
		}
		return db.Model(&consentRow{}).Where("purge_at > ?", now).
			Where("(created_at > ? OR opened_at > ? OR ended_at > ? OR expires_at > ? OR (procedure_name = ? AND expires_at > ?) OR claim_expires_at > ?)",
				happened, happened, happened, link, string(token.Automatic), signIn, claim).
			Updates(map[string]any{
				"created_at":          earliest("created_at"),
				"expires_at":          earliest("expires_at"),
				"opened_at":           earliest("opened_at"),
				"ended_at":            earliest("ended_at"),
				"claim_expires_at":    earliest("claim_expires_at"),
				"link":                nil,
				"claim_hash":          nil,
				"replaced_claim_hash": nil,
				"purge_at":            now,
				"version":             gorm.Expr("version + 1"),
			}).Error
	})
}
