package token

// A Step is a point within a renewal at which a killed process leaves something incomplete.
type Step string

// The steps, in their order.
const (
	BeforeRedeem  Step = "before-redeem"  // the tenant is leased, no request was sent yet
	AfterAnswer   Step = "after-answer"   // Microsoft answered, nothing is stored
	BeforeCommit  Step = "before-commit"  // the outcome is written, its transaction is open
	AfterCommit   Step = "after-commit"   // a successor is stored, its checks are not
	BeforeRelease Step = "before-release" // the tenant is still leased; the results of the checks are in the open transaction that releases it
)

// SweepEnded is reported when a Sweep returns. It belongs to no renewal and is not among Steps.
const SweepEnded Step = "sweep-ended"

// Steps returns all steps in their order.
func Steps() []Step {
	return []Step{BeforeRedeem, AfterAnswer, BeforeCommit, AfterCommit, BeforeRelease}
}
