package failure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
)

func TestCode_HasSentenceAdviceAndStatus(t *testing.T) {
	for _, code := range failure.Codes() {
		sentence, advice := code.Template()
		for what, text := range map[string]string{"sentence": sentence, "advice": advice} {
			if !strings.HasSuffix(text, ".") {
				t.Errorf("%s of %s = %q, want a full sentence", what, code, text)
			}
		}
		if status := failure.New(code).Status(); status < 400 || status > 599 {
			t.Errorf("Status of %s = %d, want an error", code, status)
		}
		if !regexp.MustCompile(`^[a-z][a-z_]*[a-z]$`).MatchString(string(code)) {
			t.Errorf("code %q is not in snake case", code)
		}
	}
}

// TestLiftable_AdviceNamesTheButton: what an administrator can lift needs no new sign-in afterwards.
func TestLiftable_AdviceNamesTheButton(t *testing.T) {
	for _, code := range failure.Codes() {
		if _, advice := code.Template(); code.Liftable() && !strings.Contains(advice, "Renew Now") {
			t.Errorf("the advice of %s is %q, want Renew Now in it", code, advice)
		}
	}
}

func TestFrom_UnknownErrorIsInternalAndHidesItsText(t *testing.T) {
	cause := errors.New("table grants is corrupt")
	f := failure.From(fmt.Errorf("reading: %w", cause))
	if f.Code != failure.InternalError || f.Kind() != failure.Internal || f.Status() != 500 {
		t.Errorf("From(unknown) = %s, %s, %d, want %s, %s, 500", f.Code, f.Kind(), f.Status(), failure.InternalError, failure.Internal)
	}
	if strings.Contains(f.Sentence()+f.Advice(), "corrupt") {
		t.Errorf("Sentence() and Advice() = %q, %q, want no cause in them", f.Sentence(), f.Advice())
	}
	if !errors.Is(f, cause) || !strings.Contains(f.Error(), "corrupt") {
		t.Errorf("Error() = %q, want the cause in it", f.Error())
	}
}

// TestError_Advise answers with other advice than that of the code, and stores none.
func TestError_Advise(t *testing.T) {
	cause := errors.New("cause")
	first := failure.Wrap(cause, failure.AccountOutside, "directory", "abc")
	f := first.Advise("Use __directory__.")
	record := failure.NewRecord(t.Context(), fmt.Errorf("importing: %w", f))
	if f.Advice() != "Use abc." || record.View().Advice != "Use abc." || f.Sentence() != first.Sentence() || !errors.Is(f, cause) || !failure.Is(f, failure.AccountOutside) {
		t.Errorf("Advise() = %v with the advice %q, and %q in a view", f, f.Advice(), record.View().Advice)
	}
	if first.Advice() != failure.New(failure.AccountOutside).Advice() {
		t.Errorf("the advice of the failure itself = %q, want that of its code", first.Advice())
	}
	if stored, err := json.Marshal(record); err != nil || strings.Contains(string(stored), "Use") {
		t.Errorf("the stored record = %s, %v, want no advice in it", stored, err)
	}
}

// TestError_Unretried leaves no failure with the promise that it is retried where Microsoft is the reason, and keeps advice of its
// own.
func TestError_Unretried(t *testing.T) {
	for _, code := range []failure.Code{failure.MicrosoftUnavailable, failure.MicrosoftThrottled, failure.MicrosoftAnswer} {
		if got := failure.New(code).Unretried().Advice(); strings.Contains(got, "We'll retry") || !strings.HasPrefix(got, "Repeat the request later.") {
			t.Errorf("the advice of %s for a request = %q, want that the caller repeats it", code, got)
		}
		if got := failure.New(code).Advise("Ask for less.").Unretried().Advice(); got != "Ask for less." {
			t.Errorf("the advice of %s with advice of its own = %q", code, got)
		}
	}
	if got, want := failure.New(failure.GrantAbsent).Unretried().Advice(), failure.New(failure.GrantAbsent).Advice(); got != want {
		t.Errorf("the advice of another failure = %q, want %q", got, want)
	}
}

func TestError_SentenceIsFilled(t *testing.T) {
	f := failure.New(failure.WrongDirectory, "seen", "aaa", "expected", "bbb")
	if got := f.Sentence(); !strings.Contains(got, "aaa") || !strings.Contains(got, "bbb") || strings.Contains(got, "__") {
		t.Errorf("Sentence() = %q, want both directories", got)
	}
}

// TestRecord_Fits records the longest texts that a failure can have.
func TestRecord_Fits(t *testing.T) {
	long := strings.Repeat("<", 100_000) // 6 bytes in JSON
	f := failure.New(failure.MicrosoftUnavailable)
	f.Microsoft = &failure.Evidence{Error: long, SubError: long, Code: long, TraceID: long, CorrelationID: long, Status: 503, RetryAfterSeconds: 1 << 30}
	for i := range 20 {
		f.Params[fmt.Sprintf("a_long_name_of_a_param_%d", i)] = long
	}
	text, err := json.Marshal(failure.NewRecord(failure.WithReference(t.Context(), long), f))
	if err != nil || len(text) > length.Record {
		t.Errorf("NewRecord() has %d bytes as JSON, %v, want at most %d", len(text), err, length.Record)
	}
	if len(f.Params) != 20 || len(f.Microsoft.Error) != 100_000 {
		t.Error("NewRecord() changed the failure")
	}
}

func TestRecord_KeepsTheFailureWithoutItsCause(t *testing.T) {
	ctx := failure.WithReference(context.Background(), "REF12345")
	r := failure.NewRecord(ctx, failure.Wrap(errors.New("secret cause"), failure.RoleMissing, "username", "u", "role", "Admin agent"))
	if r.Reference != "REF12345" || r.Code != failure.RoleMissing || r.Params["role"] != "Admin agent" {
		t.Errorf("NewRecord = %+v, want the code, the params and the reference", r)
	}
	if got := r.Error(); got.Cause != nil || got.Sentence() == "" {
		t.Errorf("Record.Error() = %v, want the same failure, without its cause", got)
	}
}

func TestNew_PanicsOnOddParams(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New with an odd number of params returned, want a panic")
		}
	}()
	odd := []string{"name"}
	failure.New(failure.NotFound, odd...)
}

// TestFill_ReplacesNothingInsideAValue: a value may be a name that somebody chose.
func TestFill_ReplacesNothingInsideAValue(t *testing.T) {
	params := map[string]string{"name": "__date__ of __account__", "date": "today __name__", "account": "7"}
	for range 20 { // in whatever order the params come
		if got, want := failure.Fill("__name__ (__account__): __date__, __else__", params), "__date__ of __account__ (7): today __name__, __else__"; got != want {
			t.Fatalf("Fill() = %q, want %q", got, want)
		}
	}
}
