package sqldb

// Outcomes returns the rows of serverErrors: number, what it means, and the expression that its messages match.
func Outcomes() (rows []Outcome) {
	for _, known := range serverErrors {
		row := Outcome{Number: known.number, Means: map[outcome]string{retryable: "retried", undecided: "undecided"}[known.outcome]}
		if known.text != nil {
			row.Text = known.text.String()
		}
		rows = append(rows, row)
	}
	return rows
}

// An Outcome is a row of serverErrors.
type Outcome struct {
	Number uint16
	Means  string
	Text   string
}
