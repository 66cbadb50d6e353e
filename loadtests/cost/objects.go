package cost

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"

	"golang.org/x/sync/errgroup"

	"tiercache/origin/client"
)

const (
	// host is that of all objects.
	host = "cost.example.test"

	// seed of all that is drawn: sizes, popularity, contents.
	seed = 20260101

	// perTag is how many objects carry the same tag, and so how many a purge by tag concerns.
	perTag = 10

	// loaders is how many objects are stored at a time.
	loaders = 16
)

// Share is how many of a hundred objects have which size.
type Share struct {
	Percent int `json:"percent"`
	Bytes   int `json:"bytes"`
}

// sizes is the mix of sizes.
func sizes() []Share {
	return []Share{{70, 1 << 10}, {25, 10 << 10}, {5, 100 << 10}}
}

// set is the objects: each has its number for a path, a size and a tag.
type set struct {
	sizes []int
	noise []byte // what contents are cut from; nothing of it can be compressed
}

func newSet(count int) *set {
	random := rand.New(rand.NewPCG(seed, 0))
	s := &set{sizes: make([]int, count)}
	largest := 0
	for i := range s.sizes {
		at := random.IntN(100)
		for _, share := range sizes() {
			if at -= share.Percent; at < 0 {
				s.sizes[i] = share.Bytes
				break
			}
		}
		largest = max(largest, s.sizes[i])
	}
	s.noise = make([]byte, 2*largest)
	for i := range s.noise {
		s.noise[i] = byte(random.Uint32())
	}
	return s
}

// bytes of all objects.
func (s *set) bytes() (total int64) {
	for _, size := range s.sizes {
		total += int64(size)
	}
	return total
}

func (s *set) path(object int) string { return fmt.Sprintf("/objects/%d", object) }

func (s *set) tag(object int) string { return fmt.Sprintf("group:%d", object/perTag) }

// content of an object; each version has another, of the same size.
func (s *set) content(object, version int) []byte {
	size := s.sizes[object]
	begin := (object*31 + version*17) % (len(s.noise) - size + 1)
	return s.noise[begin : begin+size]
}

// put stores a version of an object, and returns its size.
func (s *set) put(ctx context.Context, origin *client.Client, object, version int) (int64, error) {
	body := s.content(object, version)
	_, err := origin.Put(ctx, client.PutRequest{
		Host: host, Path: s.path(object), Body: bytes.NewReader(body), Size: int64(len(body)),
		Fields: map[string]string{"Content-Type": "application/octet-stream", "Cache-Control": "public, max-age=86400", "Surrogate-Key": s.tag(object)},
	})
	return int64(len(body)), err
}

// load stores all of them.
func (s *set) load(ctx context.Context, origin *client.Client) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(loaders)
	for object := range s.sizes {
		group.Go(func() error {
			_, err := s.put(ctx, origin, object, 0)
			return err
		})
	}
	return group.Wait()
}

// zipf is the exponent by which popularity falls: the object of rank n is asked for in proportion to n^-zipf.
const zipf = 1.1

// popular draws n of the first count objects by their popularity; another stream draws others.
func popular(count, n int, stream uint64) []int {
	random := rand.New(rand.NewPCG(seed, stream))
	z := rand.NewZipf(random, zipf, 1, uint64(count-1))
	drawn := make([]int, n)
	for i := range drawn {
		drawn[i] = int(z.Uint64())
	}
	return drawn
}

// evenly draws n of count objects, each as likely as the others.
func evenly(count, n int, stream uint64) []int {
	random := rand.New(rand.NewPCG(seed, stream))
	drawn := make([]int, n)
	for i := range drawn {
		drawn[i] = random.IntN(count)
	}
	return drawn
}
