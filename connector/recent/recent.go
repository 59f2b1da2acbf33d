// Package recent keeps what was read from the database a moment ago, for requests that come many times a second.
package recent

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Life is how long a value is used again. It is how late another process may learn that a row has changed.
const Life = time.Second

// A Cache keeps values for Life, the most recently used ones up to a number. Only what was found is kept, so that requests for what
// does not exist fill nothing. It is safe for concurrent use. Values are shared: callers must not change what they refer to.
type Cache[K comparable, V any] struct {
	entries *lru.Cache[K, entry[V]]

	mu        sync.Mutex // guards forgotten, and adding to entries
	forgotten uint64     // how often Forget was called
}

type entry[V any] struct {
	value V
	at    time.Time // before it was read
}

// New returns an empty cache of up to size values.
func New[K comparable, V any](size int) (*Cache[K, V], error) {
	entries, err := lru.New[K, entry[V]](size)
	if err != nil {
		return nil, err
	}
	return &Cache[K, V]{entries: entries}, nil
}

// Get returns the value of key that is Kept, or else what read returns.
func (c *Cache[K, V]) Get(key K, now time.Time, read func() (V, error)) (V, error) {
	if value, ok := c.Kept(key, now); ok {
		return value, nil
	}
	return c.Read(key, now, read)
}

// Kept returns the value of key that was read within Life before now. When the clock was set back meanwhile, there is none.
func (c *Cache[K, V]) Kept(key K, now time.Time) (value V, ok bool) {
	if kept, ok := c.entries.Get(key); ok {
		if age := now.Sub(kept.at); age >= 0 && age < Life {
			return kept.value, true
		}
	}
	return value, false
}

// Read returns what read returns, and keeps it for Kept.
func (c *Cache[K, V]) Read(key K, now time.Time, read func() (V, error)) (V, error) {
	c.mu.Lock()
	before := c.forgotten
	c.mu.Unlock()
	value, err := read()
	if err != nil {
		c.entries.Remove(key)
		return value, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgotten == before { // else it may have been read before the change
		c.entries.Add(key, entry[V]{value, now})
	}
	return value, nil
}

// Forget drops all values, and those that are being read. It is called after a change has been committed.
func (c *Cache[K, V]) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten++
	c.entries.Purge()
}

// Len returns how many values are kept.
func (c *Cache[K, V]) Len() int { return c.entries.Len() }
