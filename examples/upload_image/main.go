// Command upload_image uploads an image to an action and prints the id of the
// image. On a terminal a bar shows the progress.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/idngo-go/idngo"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("upload_image: ")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "upload_image uploads an image to an action and prints the id that download_image takes.\n\n"+
			"usage: upload_image [flags] [file]\n\n"+
			"The image is the file (JPEG, PNG, PDF, video) or else standard input. "+
			"Credentials come from IDNGO_APP_TOKEN and IDNGO_SECRET_KEY. Flags:\n")
		flag.PrintDefaults()
	}
	actionID := flag.String("action", os.Getenv("IDNGO_ACTION_ID"), "`id` of the action (IDNGO_ACTION_ID)")
	p := idngo.AddImageParams{IDDocType: idngo.IDDocTypeSelfie}
	flag.StringVar((*string)(&p.IDDocType), "type", string(p.IDDocType), "`type` of the document that the image shows")
	flag.StringVar((*string)(&p.IDDocSubType), "side", "", "`side` of a document that has two: FRONT_SIDE or BACK_SIDE")
	flag.StringVar(&p.Country, "country", "KAZ", "three-letter `code` of the country")
	flag.Parse()
	if flag.NArg() > 1 { // flag.Parse has stopped at the file
		log.Fatalf("unexpected argument %q: one file, after the flags", flag.Arg(1))
	}

	// A file is read again for each attempt, in constant memory. A stream can be
	// read only once, so it is kept: in memory, or above 8 MiB in a temporary file.
	p.Image = idngo.ImageReader("stdin", os.Stdin)
	if flag.NArg() > 0 {
		p.Image = idngo.ImageFile(flag.Arg(0))
	}
	if err := run(*actionID, p); err != nil {
		log.Fatal(err)
	}
}

func run(actionID string, p idngo.AddImageParams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// This limits the whole call with its retries. A stalled transfer fails much
	// earlier, see idngo.WithTimeout.
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	client, err := idngo.NewClientFromEnv()
	if err != nil {
		return err
	}

	bar := &progressBar{w: io.Discard}
	if isTerminal(os.Stderr) {
		bar.w = os.Stderr
	}
	p.Progress = bar.show
	image, err := client.AddImage(ctx, actionID, p)
	bar.end()
	switch {
	case errors.Is(err, idngo.ErrDuplicateImage):
		return fmt.Errorf("the action has this image already: %w", err)
	case errors.Is(err, idngo.ErrOutcomeUnknown):
		// The connection broke after the image was sent. The service refuses
		// exact copies, so idngo.WithIdempotent would be possible here.
		return fmt.Errorf("the image may have arrived, check the action: %w", err)
	case err != nil:
		return err
	}
	fmt.Println(image.ImageID)
	return nil
}

// progressBar writes the progress on one line. AddImage calls show at most 20
// times a second, by one goroutine at a time, and never after it has returned.
type progressBar struct {
	w     io.Writer
	width int // the width of the previous line
}

func (b *progressBar) show(p idngo.UploadProgress) {
	const cells = 30
	done := int(cells * p.Sent / max(p.Total, 1))
	line := fmt.Sprintf("[%s%s] %3d %%  %.1f of %.1f MB", strings.Repeat("#", done), strings.Repeat(".", cells-done),
		100*p.Sent/max(p.Total, 1), float64(p.Sent)/1e6, float64(p.Total)/1e6)
	if p.Attempt > 1 {
		line += fmt.Sprintf("  attempt %d", p.Attempt)
	}
	// The spaces overwrite the end of a longer line.
	fmt.Fprintf(b.w, "\r%-*s", b.width, line)
	b.width = len(line)
}

func (b *progressBar) end() {
	if b.width > 0 {
		fmt.Fprintln(b.w)
	}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
