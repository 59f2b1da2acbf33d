package app

// Trigger is the trigger of renewals, which the scheduler and the platform's calls fire.
type Trigger = trigger

var (
	NewTrigger = newTrigger
	Fire       = trigger.fire
	RunTrigger = trigger.run
)
