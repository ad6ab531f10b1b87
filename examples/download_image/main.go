// Command download_image downloads the images of an action into a directory. A
// file gets its final name only when the image is complete.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/idngo-go/idngo"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("download_image: ")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "download_image downloads the images of an action into a directory and prints the paths.\n\n"+
			"Credentials come from IDNGO_APP_TOKEN and IDNGO_SECRET_KEY. Flags:\n")
		flag.PrintDefaults()
	}
	actionID := flag.String("action", os.Getenv("IDNGO_ACTION_ID"), "`id` of the action (IDNGO_ACTION_ID)")
	imageID := flag.String("image", "", "`id` of the one image to download, as upload_image prints it (default: all)")
	dir := flag.String("dir", "", "`directory` to download into (default: a new one for temporary files)")
	preview := flag.Bool("preview", false, "download a smaller picture instead of the original")
	flag.Parse()
	if flag.NArg() > 0 { // flag.Parse has stopped there
		log.Fatalf("unexpected argument %q: only flags are taken, such as -preview=false", flag.Arg(0))
	}
	if err := run(*actionID, idngo.ImageID(*imageID), *dir, idngo.ImageParams{Preview: *preview}); err != nil {
		log.Fatal(err)
	}
}

func run(actionID string, imageID idngo.ImageID, dir string, p idngo.ImageParams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	client, err := idngo.NewClientFromEnv()
	if err != nil {
		return err
	}
	action, err := client.GetAction(ctx, actionID)
	if err != nil {
		return err
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "idngo-images-"); err != nil {
			return err
		}
	}
	found := imageID == ""
	for _, image := range action.Images {
		if imageID != "" && image.ImageID != imageID {
			continue
		}
		found = true
		path, err := download(ctx, client, action.ID, image, dir, p)
		if err != nil {
			return err
		}
		fmt.Println(path)
	}
	if !found {
		return fmt.Errorf("action %s has no image %s", action.ID, imageID)
	}
	return nil
}

// download writes to a temporary file beside the final one, and renames it when
// the image is complete. After an error it removes the file.
func download(
	ctx context.Context, client *idngo.Client, actionID string, image idngo.Image, dir string, p idngo.ImageParams,
) (path string, err error) {
	name := string(image.ImageID)
	if p.Preview {
		name += "-preview"
	}
	// Base, since the answer of the service must not choose the directory. MimeType
	// is an extension such as jpg, in spite of its name.
	path = filepath.Join(dir, filepath.Base(name+"."+image.MimeType))
	file, err := os.CreateTemp(dir, ".download-*") // only its owner can read it
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	_, err = client.DownloadImage(ctx, actionID, image.ImageID, file, p)
	// Without Sync, a crash of the machine could leave the new name without the bytes.
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", err
	}
	return path, os.Rename(file.Name(), path)
}
