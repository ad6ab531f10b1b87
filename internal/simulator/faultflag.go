package simulator

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseFaults reads faults from the value of a flag: items of the form
// what=probability, separated by commas.
//
//	429=0.1            a status before the effect
//	429:2=0.1          the same with Retry-After: 2, in whole seconds
//	503-after=0.05     a status after the effect
//	503-early=0.05     a status before the body was read
//	reset=0.05         the other kinds by their names; slow is slow-headers
//	slow:2s=0.1        with a delay
//	503@AddImage=0.2   for one call only
//	seed=7             the seed
//
// Nothing between two commas is skipped, so that "" is no faults at all.
func ParseFaults(text string) (*Faults, error) {
	f := &Faults{}
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		what, value, ok := strings.Cut(item, "=")
		if !ok {
			return nil, fmt.Errorf("simulator: fault %q: has the form what=probability, such as 429=0.1", item)
		}
		if what == "seed" {
			seed, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("simulator: fault %q: the seed is a whole number", item)
			}
			f.Seed = seed
			continue
		}
		fault, err := parseFault(what)
		if err != nil {
			return nil, fmt.Errorf("simulator: fault %q: %w", item, err)
		}
		probability, err := strconv.ParseFloat(value, 64)
		if err != nil || !(probability >= 0 && probability <= 1) {
			return nil, fmt.Errorf("simulator: fault %q: the probability is a number from 0 to 1", item)
		}
		f.Chances = append(f.Chances, Chance{Fault: fault, Probability: probability})
	}
	return f, nil
}

// parseFault reads what stands before the equals sign.
func parseFault(what string) (Fault, error) {
	what, operation, limited := strings.Cut(what, "@")
	if limited && operation == "" { // more likely a variable that is not set than every call
		return Fault{}, errors.New("it is not said which call")
	}
	name, detail, hasDetail := strings.Cut(what, ":")
	f := Fault{Kind: FaultKind(name), Operation: operation}
	status, suffix, _ := strings.Cut(name, "-")
	if n, err := strconv.Atoi(status); err == nil {
		f.Status = n
		switch suffix {
		case "":
			f.Kind = FaultStatus
		case "after":
			f.Kind = FaultStatusAfter
		case "early":
			f.Kind = FaultEarlyStatus
		}
		if hasDetail {
			// A Fault takes any text. On a command line 2s is a mistake, which a
			// client that ignores it would hide.
			if _, err := strconv.ParseUint(detail, 10, 32); err != nil {
				return f, fmt.Errorf("the Retry-After %q is not a whole number of seconds", detail)
			}
			f.RetryAfter = detail
		}
		return f, f.complete()
	}
	switch name {
	case "":
		return f, errors.New("it is not said what")
	case "slow":
		f.Kind = FaultSlowHeaders
	}
	if hasDetail {
		delay, err := time.ParseDuration(detail)
		if err != nil {
			return f, fmt.Errorf("%q is not a duration such as 2s", detail)
		}
		f.Delay = delay
	}
	return f, f.complete()
}
