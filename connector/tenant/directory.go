package tenant

import (
	"context"
	"errors"
	"fmt"

	"azure-partner-connector/connector/failure"
)

// SetDirectory sets the directory as entered and its GUID, empty while that is unknown. A proof of another directory ends; that
// of an unknown one may turn out to be of the same.
func (t *Tenant) SetDirectory(directory, id string) {
	t.Directory, t.DirectoryID = directory, id
	if directory == "" || id != "" && id != t.ProvenDirectoryID {
		t.ProvenDirectoryID = ""
	}
}

// Proven reports whether a consent has proven that the tenant's directory is its own.
func (t Tenant) Proven() bool { return t.DirectoryID != "" && t.DirectoryID == t.ProvenDirectoryID }

// A Prover stores proofs; every Store is one.
type Prover interface {
	Tenant(ctx context.Context, id string) (Tenant, error)
	SaveTenant(ctx context.Context, t *Tenant) error
}

// Prove records that a consent in a directory takes effect for a tenant, in the transaction that makes it do so. It does nothing
// when the tenant has another directory by now. It fails with directory_refused when another tenant of the instance has proven
// the directory.
func Prove(ctx context.Context, store Prover, tenantID, directoryID string) error {
	t, err := store.Tenant(ctx, tenantID)
	if errors.Is(err, ErrNotFound) {
		return failure.New(failure.NotFound)
	}
	if err != nil {
		return fmt.Errorf("reading tenant %s: %w", tenantID, err)
	}
	if t.DirectoryID != directoryID || t.Proven() {
		return nil
	}
	t.ProvenDirectoryID = directoryID
	err = store.SaveTenant(ctx, &t)
	if errors.Is(err, ErrDirectoryTaken) {
		return failure.Wrap(err, failure.DirectoryRefused, "directory", t.Directory)
	}
	if err != nil {
		return translated(err, "saving tenant "+tenantID)
	}
	return nil
}

// regain proves the directory of t again, in the caller's transaction, when the grant from before a change of the directory is
// still there. It does nothing when another tenant has proven the directory meanwhile: whoever names a directory must not learn
// that from the answer.
func (s *Service) regain(ctx context.Context, t *Tenant) error {
	if t.DirectoryID == "" || t.Proven() {
		return nil
	}
	granted, err := s.cfg.Store.GrantedDirectory(ctx, t.ID)
	if errors.Is(err, ErrNotFound) || err == nil && granted != t.DirectoryID {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading grant of %s: %w", t.ID, err)
	}
	proven := *t
	proven.ProvenDirectoryID = t.DirectoryID
	err = s.cfg.Store.SaveTenant(ctx, &proven)
	if errors.Is(err, ErrDirectoryTaken) {
		return nil
	}
	if err == nil {
		*t = proven
	}
	return err
}
