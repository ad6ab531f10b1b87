package simulator

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseFaults reads faults from the value of a flag: items with commas between
// them. An item is what goes wrong, then for which call, then how often.
//
//	item   = what [ "@" call ] ( "=" probability | "#" count ) | "seed=" number
//	what   = status [ "-after" | "-early" ] [ ":" seconds ] | kind [ ":" delay ]
//
// How often is a probability from 0 to 1, or a count of the next requests.
//
//	reset-after@CreateAction#1   the next create is done, and its answer is lost
//	429:2@GetAction#3            the next three get 429 with Retry-After: 2
//	429=0.1                      one request in ten, a status before the effect
//	503-after=0.05               a status after the effect
//	503-early=0.05               a status before the body was read
//	reset=0.05                   the other kinds by their names; slow is slow-headers
//	slow:2s=0.1                  with a delay
//	seed=7                       the seed of the probabilities
//
// The calls are named as the client names its operations. The counts come before the probabilities.
// Each counts down by itself, and the first one for a call is used. An empty item is ignored, so
// that "" means no faults.
func ParseFaults(text string) (*Faults, error) {
	f := &Faults{}
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		if err := f.parse(item); err != nil {
			return nil, fmt.Errorf("simulator: fault %q: %w", item, err)
		}
	}
	return f, nil
}

// parse adds one item.
func (f *Faults) parse(item string) error {
	at := strings.IndexAny(item, "=#")
	if at < 0 {
		return errors.New("neither a count nor a probability: write 429#1 for the next request or 429=0.1 for one in ten")
	}
	what, value, counted := item[:at], item[at+1:], item[at] == '#'
	if what == "seed" && !counted {
		seed, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return errors.New("the seed is a whole number")
		}
		f.Seed = seed
		return nil
	}
	fault, err := parseFault(what)
	if err != nil {
		return err
	}
	if counted {
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil || n == 0 {
			return errors.New("the count is a whole number from 1")
		}
		f.Counts = append(f.Counts, Count{Fault: fault, N: int(n)})
		return nil
	}
	probability, err := strconv.ParseFloat(value, 64)
	if err != nil || !(probability >= 0 && probability <= 1) {
		return errors.New("the probability is a number from 0 to 1")
	}
	f.Chances = append(f.Chances, Chance{Fault: fault, Probability: probability})
	return nil
}

// parseFault reads the part of an item before the probability or the count.
func parseFault(what string) (Fault, error) {
	what, operation, limited := strings.Cut(what, "@")
	if limited && operation == "" { // more likely a variable that is not set than every call
		return Fault{}, errors.New("the name of the call is empty")
	}
	name, detail, hasDetail := strings.Cut(what, ":")
	fault := Fault{Kind: FaultKind(name), Operation: operation}
	status, suffix, _ := strings.Cut(name, "-")
	if n, err := strconv.Atoi(status); err == nil {
		fault.Status = n
		switch suffix {
		case "":
			fault.Kind = FaultStatus
		case "after":
			fault.Kind = FaultStatusAfter
		case "early":
			fault.Kind = FaultEarlyStatus
		}
		if hasDetail {
			// A Fault takes any text. On a command line 2s is a mistake, which a
			// client that ignores it would hide.
			if _, err := strconv.ParseUint(detail, 10, 32); err != nil {
				return fault, fmt.Errorf("the Retry-After %q is not a whole number of seconds", detail)
			}
			fault.RetryAfter = detail
		}
		return fault, fault.complete()
	}
	switch fault.Kind {
	case "":
		return fault, errors.New("the kind is empty")
	case "slow":
		fault.Kind = FaultSlowHeaders
	case FaultStatus, FaultStatusAfter, FaultEarlyStatus:
		if hasDetail {
			return fault, fmt.Errorf("write the status as a number: 503%s:%s", strings.TrimPrefix(name, "status"), detail)
		}
	}
	if hasDetail {
		delay, err := time.ParseDuration(detail)
		if err != nil {
			return fault, fmt.Errorf("%q is not a duration such as 2s", detail)
		}
		fault.Delay = delay
	}
	return fault, fault.complete()
}

// String returns the fault as [ParseFaults] reads it, without probability or count. It leaves out
// the delay of a status, which has no text. [ParseFaults] reads a RetryAfter only if it is a
// number.
func (f Fault) String() string {
	text := string(f.Kind)
	switch f.Kind {
	case FaultStatus:
		text = strconv.Itoa(f.Status)
	case FaultStatusAfter:
		text = strconv.Itoa(f.Status) + "-after"
	case FaultEarlyStatus:
		text = strconv.Itoa(f.Status) + "-early"
	}
	switch {
	case f.RetryAfter != "":
		text += ":" + f.RetryAfter
	case f.Delay != 0 && text == string(f.Kind):
		text += ":" + f.Delay.String()
	}
	if f.Operation != "" {
		text += "@" + f.Operation
	}
	return text
}
