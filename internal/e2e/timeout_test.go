package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// slowRead reads perSecond bytes of a request's body in each second, up to most.
func slowRead(r io.Reader, perSecond, most int) (read int) {
	// It reads pieces of an eighth of a second, so that the sender sees a steady line.
	piece := max(perSecond/8, 1)
	every := time.Second * time.Duration(piece) / time.Duration(perSecond)
	buf := make([]byte, piece)
	for read < most {
		n, err := io.ReadFull(r, buf[:min(piece, most-read)])
		read += n
		if err != nil {
			return read
		}
		time.Sleep(every)
	}
	return read
}

// slowWrite writes perSecond bytes of an answer in each second.
func slowWrite(w http.ResponseWriter, content []byte, perSecond int) {
	flush := http.NewResponseController(w).Flush
	for len(content) > 0 {
		n := min(perSecond, len(content))
		if _, err := w.Write(content[:n]); err != nil || flush() != nil {
			return
		}
		content = content[n:]
		time.Sleep(time.Second)
	}
}

// WithTimeout limits a whole attempt of a call with a JSON answer. An answer that comes slowly does
// not extend the timeout.
func TestTimeoutBoundsAWholeAttempt(t *testing.T) {
	for _, op := range faultnet.Operations {
		if op.Name == "OpenImage" || op.Name == "AddImage" {
			continue
		}
		t.Run(op.Key(), func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {
					slowWrite(w, bytes.Repeat([]byte{' '}, 1000), 1)
				})
				var res idngo.Response
				begin := time.Now()
				err := op.Call(
					t.Context(), network.Client(idngo.WithTimeout(10*time.Second), idngo.WithRetryPolicy(idngo.RetryPolicy{MinDelay: time.Nanosecond})),
					idngo.WithResponse(&res),
				)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, "no answer in 10s")
				attempts := 3
				if op.NotIdempotent {
					attempts = 1
				}
				assert.Equal(t, attempts, res.Attempts)
				assert.InDelta(t, 10*float64(attempts), time.Since(begin).Seconds(), 1e-3)
				var timeout interface{ Timeout() bool }
				require.ErrorAs(t, err, &timeout)
				assert.True(t, timeout.Timeout())
			})
		})
	}
}

func TestTimeoutDefault(t *testing.T) {
	for slow, survives := range map[time.Duration]bool{29 * time.Second: true, 31 * time.Second: false} {
		for _, op := range faultnet.Operations {
			t.Run(op.Key()+" "+slow.String(), func(t *testing.T) {
				faultnet.InBubble(t, func(t *testing.T) {
					network := faultnet.New(t)
					network.OnRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
						_, _ = io.Copy(io.Discard, r.Body)
						if number == 1 {
							time.Sleep(slow)
						}
						return false
					}
					var res idngo.Response
					err := op.Call(t.Context(), network.Client(), idngo.WithResponse(&res))
					switch {
					case survives:
						require.NoError(t, err)
						assert.Equal(t, 1, res.Attempts)
					case op.NotIdempotent:
						require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
						require.ErrorIs(t, err, context.DeadlineExceeded)
						assert.Equal(t, 1, res.Attempts)
					default:
						require.NoError(t, err)
						assert.Equal(t, 2, res.Attempts)
					}
				})
			})
		}
	}
}

// The timeout of the caller's own http.Client has the same effect as WithTimeout.
func TestTimeoutOfTheHTTPClient(t *testing.T) {
	for _, op := range []faultnet.Operation{faultnet.GetAction, faultnet.CreateAction, faultnet.AddImage, faultnet.DownloadImage} {
		t.Run(op.Key(), func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
					if number == 1 {
						faultnet.NeverAnswer(w, r)
					}
					return false
				}
				client := network.Client(idngo.WithHTTPClient(&http.Client{Transport: network.Transport, Timeout: 5 * time.Second}))
				begin := time.Now()
				err := op.Call(t.Context(), client)
				assert.InDelta(t, 5.25, time.Since(begin).Seconds(), 0.25)
				if op.NotIdempotent {
					require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
					require.ErrorIs(t, err, context.DeadlineExceeded)
					return
				}
				require.NoError(t, err)
			})
		})
	}
}

// A slow upload does not time out while bytes are sent, whatever its size.
func TestTimeoutOfASlowUpload(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		size, perSecond int
		timeout         time.Duration
	}{
		"50 MB at 200 KB/s":            {size: 50_000_000, perSecond: 200_000, timeout: 30 * time.Second},
		"50 MB at 64 KB/s":             {size: 50_000_000, perSecond: 64_000, timeout: 30 * time.Second},
		"2 MB at 2 KB/s":               {size: 2_000_000, perSecond: 2000, timeout: 30 * time.Second},
		"1 MB at 64 KB/s, 1 s timeout": {size: 1_000_000, perSecond: 64_000, timeout: time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			content := bytes.Repeat([]byte("0123456789abcdef"), tt.size/16)
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.Untapped = true
				read := 0
				network.OnRequest = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
					read = slowRead(r.Body, tt.perSecond, 1<<30)
					return false
				}
				begin := time.Now()
				var last idngo.UploadProgress
				_, err := network.Client(idngo.WithTimeout(tt.timeout)).AddImage(t.Context(), "5e02f6b1", idngo.AddImageParams{
					IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes("me.png", content),
					Progress: func(p idngo.UploadProgress) {
						assert.Equal(t, 1, p.Attempt)
						assert.GreaterOrEqual(t, p.Sent, last.Sent)
						last = p
					},
				})
				require.NoError(t, err)
				assert.Len(t, network.Seen(), 1)
				assert.Greater(t, read, len(content))
				assert.Equal(t, int64(len(content)), last.Sent)
				assert.InEpsilon(t, float64(tt.size)/float64(tt.perSecond), time.Since(begin).Seconds(), 0.1)
			})
		})
	}
}

// An upload over a line that gets slower and then faster again does not time out.
func TestTimeoutOfAnUnevenUpload(t *testing.T) {
	content := bytes.Repeat([]byte{7}, 4<<20)
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.Untapped = true
		network.OnRequest = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
			for _, perSecond := range []int{1 << 20, 100 << 10, 10 << 10, 3 << 10, 500 << 10, 2 << 20} {
				slowRead(r.Body, perSecond, 5*perSecond)
			}
			_, _ = io.Copy(io.Discard, r.Body)
			return false
		}
		_, err := network.Client().AddImage(t.Context(), "5e02f6b1", faultnet.SelfieOf(string(content)))
		require.NoError(t, err)
		assert.Len(t, network.Seen(), 1)
	})
}

// A stalled upload fails after the timeout, counted from the last byte that was sent.
func TestTimeoutOfAStalledUpload(t *testing.T) {
	content := bytes.Repeat([]byte{7}, 4<<20)
	for _, taken := range []int{0, 100, 1 << 20, 4 << 20} {
		t.Run(strconv.Itoa(taken), func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.Untapped = true
				var stalled atomic.Pointer[time.Time]
				network.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
					slowRead(r.Body, 100<<10, taken)
					now := time.Now()
					stalled.Store(&now)
					<-network.Down
					panic(http.ErrAbortHandler)
				}
				_, err := network.Client().AddImage(t.Context(), "5e02f6b1", faultnet.SelfieOf(string(content)))
				require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Len(t, network.Seen(), 1)
				stalledFor := time.Since(*stalled.Load())
				assert.LessOrEqual(t, stalledFor, 30*time.Second)
				assert.Greater(t, stalledFor, 28*time.Second, "what net/http buffers aside")
			})
		})
	}
}

// slowImage is a source that pauses before each read.
type slowImage struct {
	content []byte
	pause   time.Duration
}

// ReadAt pauses before each read.
func (s slowImage) ReadAt(p []byte, off int64) (int, error) {
	time.Sleep(s.pause)
	return bytes.NewReader(s.content).ReadAt(p, off)
}

// The timeout does not count the time for hashing and reading the image.
func TestTimeoutOfASlowSource(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.AnyStamp = true // the stamp is hashed before the image, so it is old when the image was hashed
		source := slowImage{content: bytes.Repeat([]byte{7}, 16<<10), pause: 40 * time.Second}
		_, err := network.Client().AddImage(t.Context(), "5e02f6b1", idngo.AddImageParams{
			IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageReaderAt("me.png", source, int64(len(source.content))),
		})
		require.NoError(t, err)
		assert.Len(t, network.Seen(), 1)
	})
}

// If the context ends while the image is hashed, nothing has been sent.
func TestContextEndsWhileTheImageIsHashed(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		client := network.Client()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(errLeft) })
		source := slowImage{content: bytes.Repeat([]byte{7}, 16<<10), pause: 40 * time.Second}
		begin := time.Now()
		_, err := client.AddImage(ctx, "5e02f6b1", idngo.AddImageParams{
			IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageReaderAt("me.png", source, int64(len(source.content))),
		})
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errLeft)
		require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
		assert.LessOrEqual(t, time.Since(begin), 2*time.Minute, "between two reads of the source")
		assert.Zero(t, network.Dialed())
	})
}

// After the last byte of an upload the service has one timeout to answer.
func TestTimeoutAfterAnUpload(t *testing.T) {
	for slow, survives := range map[time.Duration]bool{29 * time.Second: true, 31 * time.Second: false} {
		t.Run(slow.String(), func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.Untapped = true
				network.OnRequest = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
					slowRead(r.Body, 64<<10, 1<<30)
					time.Sleep(slow)
					return false
				}
				_, err := network.Client().AddImage(t.Context(), "5e02f6b1", faultnet.SelfieOf(string(make([]byte, 4<<20))))
				assert.Equal(t, survives, err == nil)
				assert.Equal(t, !survives, errors.Is(err, idngo.ErrOutcomeUnknown))
			})
		})
	}
}

// A download does not time out while bytes arrive. Its timeout does not run while nobody reads.
func TestTimeoutOfADownload(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	open := func(t *testing.T, serve func(w http.ResponseWriter, r *http.Request)) *idngo.ImageContent {
		t.Helper()
		network := faultnet.New(t)
		network.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			serve(w, r)
			return true
		}
		image, err := network.Client().OpenImage(t.Context(), "5e02f6b1", "4711", idngo.ImageParams{})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, image.Close()) })
		return image
	}
	t.Run("slow server", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			image := open(t, func(w http.ResponseWriter, _ *http.Request) { slowWrite(w, content, 100) })
			begin := time.Now()
			got, err := io.ReadAll(image)
			require.NoError(t, err)
			assert.Equal(t, content, got)
			assert.Greater(t, time.Since(begin), 10*time.Minute)
		})
	})
	t.Run("a byte every 29 seconds", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			image := open(t, func(w http.ResponseWriter, _ *http.Request) {
				for _, b := range content[:100] {
					_, _ = w.Write([]byte{b})
					_ = http.NewResponseController(w).Flush()
					time.Sleep(29 * time.Second)
				}
			})
			got, err := io.ReadAll(image)
			require.NoError(t, err)
			assert.Equal(t, content[:100], got)
		})
	})
	t.Run("slow reader", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			image := open(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })
			var got []byte
			buf := make([]byte, 10_000)
			for {
				time.Sleep(time.Hour)
				n, err := image.Read(buf)
				got = append(got, buf[:n]...)
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
			}
			assert.Equal(t, content, got)
		})
	})
	t.Run("stalled server", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			image := open(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", strconv.Itoa(len(content)))
				_, _ = w.Write(content[:10_000])
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
			time.Sleep(time.Hour) // the timeout does not run while nobody reads
			begin := time.Now()
			got, err := io.ReadAll(image)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
			require.ErrorContains(t, err, "OpenImage")
			assert.Equal(t, content[:10_000], got)
			assert.Equal(t, 30*time.Second, time.Since(begin))
			_, err = image.Read(make([]byte, 1))
			require.ErrorIs(t, err, context.DeadlineExceeded, "and stays so")
		})
	})
	for name, end := range map[string]string{"cut off": "", "cut off, chunked": "chunked"} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				image := open(t, func(w http.ResponseWriter, _ *http.Request) {
					if end == "" {
						w.Header().Set("Content-Length", strconv.Itoa(len(content)))
					}
					_, _ = w.Write(content[:10_000])
					_ = http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				})
				got, err := io.ReadAll(image)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF, "no cut-off image seems whole")
				assert.Equal(t, content[:10_000], got)
			})
		})
	}
	t.Run("context ends", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			network.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
				_, _ = w.Write(content[:10_000])
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				return true
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(3*time.Second, func() { cancel(errLeft) })
			var out bytes.Buffer
			wrote, err := network.Client().DownloadImage(ctx, "5e02f6b1", "4711", &out, idngo.ImageParams{})
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, errLeft)
			assert.Equal(t, int64(10_000), wrote)
		})
	})
}

// The timeout does not count the waits between attempts.
func TestTimeoutLeavesWaitsAside(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.OnRequest = faultnet.AnswerInTurn(faultnet.Refusal(503, 0, "Retry-After", "50"), faultnet.Refusal(503, 0, "Retry-After", "50"))
		require.NoError(t, faultnet.GetAction.Call(t.Context(), network.Client(idngo.WithTimeout(time.Second))))
		require.Len(t, network.Gaps(), 2)
		for _, gap := range network.Gaps() {
			assert.InDelta(t, 52500*time.Millisecond, gap, float64(2500*time.Millisecond), "50 s, and up to a tenth more")
		}
	})
}
