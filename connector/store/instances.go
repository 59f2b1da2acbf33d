package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
)

type instanceRow struct {
	InstanceKey     string `gorm:"primaryKey"`
	InstanceID      string
	RootID          sqldb.NullString
	ControllerURI   string
	NamedController string
	PackageVersion  string
	Cloud           string
	ApplicationID   string
	Credentials     []byte
	MFARequest      string `gorm:"column:mfa_request"`
	Borrowers       sqldb.JSONColumn[borrowerList]
	// CustomerDirectories is tenant.NoCustomers in the rows of earlier programs.
	CustomerDirectories string
	SkipLanding         bool
	DirectLink          bool
	TenantApplication   bool
	Created             sqldb.Timestamp `gorm:"column:created_at"`
	Updated             sqldb.Timestamp `gorm:"column:updated_at"`
	Removed             sqldb.Timestamp `gorm:"column:removed_at"`
	Version             int64
	MAC                 []byte
}

// TableName implements gorm's Tabler.
func (instanceRow) TableName() string { return "instances" }

func (s *Store) instanceRow(in tenant.Instance) (instanceRow, error) {
	application := in.Settings.Application
	sealed, err := s.sealCredentials(application, "instances", in.Key)
	if err != nil {
		return instanceRow{}, err
	}
	row := instanceRow{
		InstanceKey:         in.Key,
		InstanceID:          in.ID,
		RootID:              sqldb.NullString(in.RootID),
		ControllerURI:       in.ControllerURI,
		NamedController:     in.NamedController,
		PackageVersion:      in.PackageVersion,
		Cloud:               in.Settings.Cloud,
		ApplicationID:       application.ID,
		Credentials:         sealed,
		MFARequest:          in.Settings.MFARequest,
		Borrowers:           sqldb.NewJSONColumn(borrowersOf(in)),
		CustomerDirectories: cmp.Or(in.Settings.CustomerDirectories, tenant.NoCustomers),
		SkipLanding:         in.Settings.SkipLanding,
		DirectLink:          in.Settings.DirectLink,
		TenantApplication:   in.Settings.TenantApplication,
		Created:             sqldb.NewTimestamp(in.CreatedAt),
		Updated:             sqldb.NewTimestamp(in.UpdatedAt),
		Removed:             sqldb.NewTimestamp(in.RemovedAt),
		Version:             in.Version,
	}
	row.MAC = s.rowMAC(row.guarded())
	return row, nil
}

// guarded returns the columns of the row that decide who has access.
func (row *instanceRow) guarded() guardedRow {
	columns := []guardedColumn{row.Borrowers.V.guarded()}
	// The default is not covered, so that rows from before the column keep their MACs. Whoever changes it to the default, or
	// from it, makes the MAC wrong all the same.
	if row.CustomerDirectories != tenant.NoCustomers {
		columns = append(columns, guardedColumn{"customer directories", row.CustomerDirectories, formBound})
	}
	return guardedRow{row.TableName(), row.InstanceKey, columns}
}

func (s *Store) instanceOf(row instanceRow) tenant.Instance {
	return tenant.Instance{
		Key:             row.InstanceKey,
		ID:              row.InstanceID,
		RootID:          string(row.RootID),
		ControllerURI:   row.ControllerURI,
		NamedController: row.NamedController,
		PackageVersion:  row.PackageVersion,
		Settings: tenant.Settings{
			Cloud:               row.Cloud,
			Application:         s.applicationOf(row.ApplicationID, row.Credentials, "instances", row.InstanceKey),
			MFARequest:          row.MFARequest,
			Borrowers:           row.Borrowers.V.entries,
			CustomerDirectories: row.CustomerDirectories,
			SkipLanding:         row.SkipLanding,
			DirectLink:          row.DirectLink,
			TenantApplication:   row.TenantApplication,
		},
		Deployment: s.deployment(row.InstanceKey),
		CreatedAt:  row.Created.Time,
		UpdatedAt:  row.Updated.Time,
		RemovedAt:  row.Removed.Time,
		Altered:    !s.proven(row.guarded(), row.MAC),
		Version:    row.Version,
	}
}

// Instance implements tenant.Store. It returns removed instances too.
func (s *Store) Instance(ctx context.Context, key string) (tenant.Instance, error) {
	row, err := s.readInstance(ctx, key)
	if err != nil {
		return tenant.Instance{}, err
	}
	return s.instanceOf(row), nil
}

func (s *Store) readInstance(ctx context.Context, key string) (row instanceRow, err error) {
	err = s.db.Read(ctx, func(db *gorm.DB) error { return takeOne(db.Where("instance_key = ?", key), &row) })
	if err == nil {
		err = mustMatchKey(row.InstanceKey, key)
	}
	if err != nil {
		return instanceRow{}, fmt.Errorf("reading instance %q: %w", key, err)
	}
	return row, nil
}

// SaveInstance implements tenant.Store. It returns tenant.ErrChanged when the row changed since it was read, already
// exists, or another instance has the same root.
func (s *Store) SaveInstance(ctx context.Context, in *tenant.Instance) error {
	if in.Altered {
		return fmt.Errorf("saving instance %q: %w", in.Key, failure.New(failure.Integrity))
	}
	saved := *in
	saved.Version++
	saved.Settings.Application = storedApplication(saved.Settings.Application)
	row, err := s.instanceRow(saved)
	if err != nil {
		return err
	}
	saved.CreatedAt, saved.UpdatedAt, saved.RemovedAt = row.Created.Time, row.Updated.Time, row.Removed.Time
	saved.Settings.CustomerDirectories = row.CustomerDirectories
	err = s.db.Write(ctx, func(db *gorm.DB) error {
		if in.Version == 0 {
			return db.Create(&row).Error
		}
		return mustAffect(db.Model(&instanceRow{}).
			Where("instance_key = ? AND version = ?", in.Key, in.Version).
			Select("*").Omit(keptColumns(saved.Settings.Application, "instance_key")...).Updates(&row), tenant.ErrChanged)
	})
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		err = tenant.ErrChanged
	}
	if err != nil {
		return fmt.Errorf("saving instance %q: %w", in.Key, err)
	}
	sqldb.SetUntilRollback(ctx, s.db, in, saved)
	return nil
}
