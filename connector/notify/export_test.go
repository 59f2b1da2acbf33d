package notify

// MaxOutbox is how many unsent notices about one subject are kept.
const MaxOutbox = maxOutbox
