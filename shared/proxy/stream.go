package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"tiercache/shared/cachekey"
	"tiercache/shared/flight"
	"tiercache/shared/httpcache"
	"tiercache/shared/object"
)

// Errors of bodies on their way.
var (
	errDigest = errors.New("body does not have the digest that was promised")
	errLength = errors.New("body is not as long as was promised")
	// errDeadline ends a fill that takes too long.
	errDeadline = errors.New("fill took longer than it may")
)

// stream is a storable body on its way: to all that wait, and into the store.
type stream struct {
	job      *fill
	flight   *flight.Flight[*result]
	body     *flight.Body
	writer   *object.Writer
	storing  bool
	key      string
	deadline *time.Timer
	digest   *digester
	response *Response
	total    int64
}

// stream publishes the response's head, then moves its body.
//
// INVARIANT: the last bytes of a body of known length go out only after the body was found whole and
// right and its entry was stored; the end of a body of unknown length likewise. So a client never takes
// a truncated or damaged body for a whole one, and whoever has seen the end finds the entry.
func (j *fill) stream(ctx context.Context, cancel context.CancelCauseFunc, f *flight.Flight[*result], res *result, response *Response) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer j.closeBody(response)
	id, err := object.NewBodyID(j.p.random)
	if err != nil {
		f.Fail(err)
		return
	}
	digest := cachekey.Digest([]byte(res.head.Key))
	key := string(digest[:])
	res.head.BodyID, res.key = id, key
	s := &stream{
		job: j, flight: f, key: key, response: response, storing: res.reason == httpcache.ReasonNone, digest: newDigester(response.Header, res.head.Meta.Status),
		writer: object.NewWriter(ctx, j.p.store, object.WriterConfig{Key: key, ID: id, TTL: j.keepFor(&res.head.Meta), Length: response.Length}),
	}
	var load flight.Load // without one, nothing is stored
	if s.storing {
		load = j.loader(key, id)
	}
	s.body = flight.NewBody(windowSegments*object.SegmentSize, j.service.ResponseTimeout(), load)
	res.body = s.body
	if res.first, err = s.body.NewReader(context.WithoutCancel(ctx)); err != nil {
		f.Fail(err)
		return
	}
	if j.background {
		_ = res.first.Close() // nobody will read; a flight's reader closes without error
	}
	head := res.head // Commit writes into it, while waiters read theirs
	f.Publish(res)
	// Past the deadline the exchange with the upstream ends, unless the body is no longer stored: then it lasts
	// as long as somebody reads.
	s.deadline = time.AfterFunc(fillDeadline, func() { cancel(errDeadline) })
	defer s.deadline.Stop()
	if !s.storing {
		s.deadline.Stop()
	}
	if err = s.move(ctx, &head); err != nil {
		f.Detach() // nobody must join what has failed
	}
	s.body.Close(err)
	s.stop(ctx, err)
}

// loader reads stored segments for readers that fell behind the flight's window.
func (j *fill) loader(key string, id object.BodyID) flight.Load {
	return func(ctx context.Context, offset int64) ([]byte, error) {
		index := uint32(offset / object.SegmentSize)
		raw, err := j.p.store.Lookup(ctx, object.SegmentKey(key, id, index))
		if err != nil {
			return nil, fmt.Errorf("segment %d: %w", index, err)
		}
		data, err := object.DecodeSegment(raw, id, index)
		if err != nil {
			return nil, err
		}
		return data[min(offset%object.SegmentSize, int64(len(data))):], nil
	}
}

// move reads the body to its end. It returns nil once the body was found whole and handed on.
func (s *stream) move(ctx context.Context, head *object.Head) error {
	var buf []byte
	for {
		if len(buf) == 0 {
			buf = make([]byte, s.bufferSize())
		}
		n, err := s.response.Body.Read(buf)
		chunk := buf[:n:n]
		buf = buf[n:]
		s.total += int64(n)
		s.keep(chunk)
		last := s.response.Length >= 0 && s.total >= s.response.Length
		if n > 0 && !last && err == nil {
			if err := s.body.Append(ctx, chunk); err != nil {
				return err
			}
			continue
		}
		if err == nil && !last {
			continue
		}
		return s.finish(ctx, head, chunk, err)
	}
}

// finish checks the body, stores its entry and hands on the last chunk.
func (s *stream) finish(ctx context.Context, head *object.Head, chunk []byte, err error) error {
	if err == nil {
		err = s.end()
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	if s.response.Length >= 0 && s.total != s.response.Length {
		return errLength
	}
	if !s.digest.matches() {
		s.job.p.stats.DigestMismatches.Add(1)
		return errDigest
	}
	s.commit(head)
	s.flight.Detach()
	if len(chunk) > 0 {
		return s.body.Append(ctx, chunk)
	}
	return nil
}

// commit stores the entry, unless an unsafe method has voided the fill since it began.
func (s *stream) commit(head *object.Head) {
	if s.storing && s.flight.Voided() {
		s.giveUp(httpcache.ReasonPurged)
	}
	if !s.storing {
		return
	}
	if err := s.writer.Commit(head); err != nil {
		s.job.p.stats.StoreErrors.Add(1)
		s.giveUp(httpcache.ReasonStore)
		return
	}
	if len(head.Selecting) > 0 {
		s.job.settle(context.Background(), s.key)
	}
	if s.flight.Voided() { // since it was asked above: who voided it may have removed the older entry
		s.job.p.discard(context.Background(), s.key)
	}
}

// end reads on behind the last promised byte: there must be nothing.
func (s *stream) end() error {
	var extra [1]byte
	for {
		n, err := s.response.Body.Read(extra[:])
		if n > 0 {
			return errLength
		}
		if err != nil {
			return err
		}
	}
}

// keep hashes and stores a chunk. A store that fails ends the storing, never the streaming.
func (s *stream) keep(chunk []byte) {
	s.digest.write(chunk)
	if !s.storing || len(chunk) == 0 {
		return
	}
	if s.total > s.job.p.cfg.MaxObject {
		s.giveUp(httpcache.ReasonTooLarge)
		return
	}
	if _, err := s.writer.Write(chunk); err != nil {
		s.job.p.stats.StoreErrors.Add(1)
		s.giveUp(httpcache.ReasonStore)
		return
	}
	s.body.Stored((s.writer.Size() - 1) / object.SegmentSize * object.SegmentSize)
}

// giveUp stops storing. Segments that slower readers may still load stay until the stream ends.
func (s *stream) giveUp(reason httpcache.Reason) {
	s.storing = false
	s.deadline.Stop()
	s.body.Unstored()
	s.job.p.stats.notStored(reason)
}

// stop removes what was stored of a body that did not become an entry, once nobody reads it any more.
func (s *stream) stop(ctx context.Context, err error) {
	if err == nil && !s.storing {
		s.body.Await(ctx, s.writer.Size(), s.job.service.ResponseTimeout())
	}
	if err != nil && s.storing {
		reason := httpcache.ReasonTruncated
		if errors.Is(err, errDigest) {
			reason = httpcache.ReasonDigest
		}
		s.job.p.stats.notStored(reason)
	}
	if err := s.writer.Abort(); err != nil {
		s.job.p.stats.StoreErrors.Add(1)
	}
}

// bufferSize fits a small body of known length, and is a segment otherwise.
func (s *stream) bufferSize() int64 {
	if s.response.Length < 0 {
		return unknownBuffer
	}
	return min(max(s.response.Length-s.total, 1), object.SegmentSize)
}

// unknownBuffer is what is read at once of a body of unknown length.
const unknownBuffer = 32 << 10
