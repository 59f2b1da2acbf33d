package app

// Trigger is what a platform's call and the scheduler start renewals with.
type Trigger = trigger

var (
	NewTrigger = newTrigger
	Fire       = trigger.fire
	RunTrigger = trigger.run
)
