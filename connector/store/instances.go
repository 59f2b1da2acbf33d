package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"azure-partner-connector/connector/tenant"
)

type instanceRow struct {
	InstanceKey       string `gorm:"primaryKey"`
	InstanceID        string
	RootID            optional
	ControllerURI     string
	PackageVersion    string
	Cloud             string
	ApplicationID     string
	Credentials       []byte
	MFARequest        string `gorm:"column:mfa_request"`
	Borrowers         facts[[]string]
	SkipLanding       bool
	DirectLink        bool
	TenantApplication bool
	Created           instant `gorm:"column:created_at"`
	Updated           instant `gorm:"column:updated_at"`
	Removed           instant `gorm:"column:removed_at"`
	Version           int64
}

// TableName implements gorm's Tabler.
func (instanceRow) TableName() string { return "instances" }

func (s *Store) instanceRow(in tenant.Instance) (instanceRow, error) {
	application := in.Settings.Application
	sealed, err := s.sealCredentials(application, "instances", in.Key)
	if err != nil {
		return instanceRow{}, err
	}
	return instanceRow{
		InstanceKey:       in.Key,
		InstanceID:        in.ID,
		RootID:            optional(in.RootID),
		ControllerURI:     in.ControllerURI,
		PackageVersion:    in.PackageVersion,
		Cloud:             in.Settings.Cloud,
		ApplicationID:     application.ID,
		Credentials:       sealed,
		MFARequest:        in.Settings.MFARequest,
		Borrowers:         facts[[]string]{in.Settings.Borrowers},
		SkipLanding:       in.Settings.SkipLanding,
		DirectLink:        in.Settings.DirectLink,
		TenantApplication: in.Settings.TenantApplication,
		Created:           instantOf(in.CreatedAt),
		Updated:           instantOf(in.UpdatedAt),
		Removed:           instantOf(in.RemovedAt),
		Version:           in.Version,
	}, nil
}

func (s *Store) instanceOf(row instanceRow) (tenant.Instance, error) {
	application, err := s.applicationOf(row.ApplicationID, row.Credentials, "instances", row.InstanceKey)
	if err != nil {
		return tenant.Instance{}, err
	}
	return tenant.Instance{
		Key:            row.InstanceKey,
		ID:             row.InstanceID,
		RootID:         string(row.RootID),
		ControllerURI:  row.ControllerURI,
		PackageVersion: row.PackageVersion,
		Settings: tenant.Settings{
			Cloud:             row.Cloud,
			Application:       application,
			MFARequest:        row.MFARequest,
			Borrowers:         row.Borrowers.of,
			SkipLanding:       row.SkipLanding,
			DirectLink:        row.DirectLink,
			TenantApplication: row.TenantApplication,
		},
		CreatedAt: row.Created.at,
		UpdatedAt: row.Updated.at,
		RemovedAt: row.Removed.at,
		Version:   row.Version,
	}, nil
}

// Instance implements tenant.Store. A removed instance is found too.
func (s *Store) Instance(ctx context.Context, key string) (tenant.Instance, error) {
	var row instanceRow
	err := s.read(ctx, func(db *gorm.DB) error { return take(db.Where("instance_key = ?", key), &row) })
	if err == nil {
		err = exact(row.InstanceKey, key)
	}
	if err != nil {
		return tenant.Instance{}, fmt.Errorf("reading instance %q: %w", key, err)
	}
	return s.instanceOf(row)
}

// SaveInstance implements tenant.Store. It returns tenant.ErrChanged when the row changed since it was read, exists
// already, or another instance has the same root.
func (s *Store) SaveInstance(ctx context.Context, in *tenant.Instance) error {
	saved := *in
	saved.Version++
	saved.Settings.Application = storedApplication(saved.Settings.Application)
	row, err := s.instanceRow(saved)
	if err != nil {
		return err
	}
	saved.CreatedAt, saved.UpdatedAt, saved.RemovedAt = row.Created.at, row.Updated.at, row.Removed.at
	err = s.write(ctx, func(db *gorm.DB) error {
		if in.Version == 0 {
			return db.Create(&row).Error
		}
		return changed(db.Model(&instanceRow{}).
			Where("instance_key = ? AND version = ?", in.Key, in.Version).
			Select("*").Omit("instance_key").Updates(&row), tenant.ErrChanged)
	})
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		err = tenant.ErrChanged
	}
	if err != nil {
		return fmt.Errorf("saving instance %q: %w", in.Key, err)
	}
	assign(ctx, s, in, saved)
	return nil
}
