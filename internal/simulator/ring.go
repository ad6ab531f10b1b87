package simulator

// ring holds the last entries, within a count and a number of bytes. It always keeps the
// newest.
type ring[T any] struct {
	maxCount int
	maxBytes int
	bytes    int
	entries  []sized[T] // oldest first
}

// sized is an entry with the bytes that it is counted for.
type sized[T any] struct {
	entry T
	bytes int
}

// add adds an entry. It returns those that had to go.
func (r *ring[T]) add(entry T, bytes int) (gone []T) {
	r.entries = append(r.entries, sized[T]{entry, bytes})
	r.bytes += bytes
	return r.trim()
}

// grow counts more bytes for an entry. It drops old entries until all are within the limit.
func (r *ring[T]) grow(i, bytes int) {
	r.entries[i].bytes += bytes
	r.bytes += bytes
	r.trim()
}

func (r *ring[T]) trim() (gone []T) {
	for len(r.entries) > r.maxCount || r.bytes > r.maxBytes && len(r.entries) > 1 {
		gone = append(gone, r.entries[0].entry)
		r.bytes -= r.entries[0].bytes
		r.entries[0] = sized[T]{} // frees what it holds
		r.entries = r.entries[1:]
	}
	return gone
}

func (r *ring[T]) len() int { return len(r.entries) }

// at returns an entry by age. The oldest is 0.
func (r *ring[T]) at(i int) T { return r.entries[i].entry }
