// Package offline lets the examples run on a machine without credentials and
// without network. Each example has an offline.go that calls Start before main
// begins. main.go does not know of it.
package offline

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log"
	"net"
	"os"
	"slices"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Setup is what an example needs of a simulator.
type Setup struct {
	simulator.Config
	Level    string // goes into IDNGO_LEVEL; default simulator.LevelFaceAuth
	Webhooks bool   // deliver to IDNGO_WEBHOOK_ADDR, signed with IDNGO_WEBHOOK_SECRET
}

// Start starts a simulator in this process and sets the environment, so that main
// finds credentials there. It does nothing and returns nil if the environment has
// credentials, or a variable that enough names, or if the program is only asked for
// its flags.
func Start(setup Setup, enough ...string) *simulator.Server {
	for _, name := range append(enough, "IDNGO_APP_TOKEN", "IDNGO_SECRET_KEY") {
		if os.Getenv(name) != "" {
			return nil
		}
	}
	if slices.ContainsFunc(os.Args[1:], func(arg string) bool {
		return slices.Contains([]string{"-h", "-help", "--h", "--help"}, arg)
	}) {
		return nil
	}
	env := map[string]string{
		"IDNGO_APP_TOKEN":    simulator.DefaultAppToken,
		"IDNGO_SECRET_KEY":   simulator.DefaultSecretKey,
		"IDNGO_APPLICANT_ID": simulator.DefaultApplicantID,
		"IDNGO_USER_ID":      simulator.DefaultExternalUserID,
		"IDNGO_LEVEL":        cmp.Or(setup.Level, simulator.LevelFaceAuth),
	}
	if setup.Webhooks {
		addr := cmp.Or(os.Getenv("IDNGO_WEBHOOK_ADDR"), freeAddr())
		env["IDNGO_WEBHOOK_ADDR"] = addr
		env["IDNGO_WEBHOOK_SECRET"] = simulator.DefaultWebhookSecret
		setup.WebhookURL = "http://" + addr
		setup.WebhookTimeScale = cmp.Or(setup.WebhookTimeScale, 0.01) // the second attempt comes after 0.3 s instead of 30 s
	}
	sb, err := simulator.New(setup.Config)
	Must(err)
	env["IDNGO_BASE_URL"], err = sb.Start("")
	Must(err)
	for name, value := range env {
		Must(os.Setenv(name, value))
	}
	fmt.Fprintf(os.Stderr, "no credentials in the environment: using a simulator in this process, at %s\n", env["IDNGO_BASE_URL"])
	return sb
}

// Client returns a client for the simulator, to prepare an example.
func Client() *idngo.Client {
	client, err := idngo.NewClientFromEnv()
	Must(err)
	return client
}

// JPEG returns a picture of about 40 kB.
func JPEG() []byte {
	picture := image.NewRGBA(image.Rect(0, 0, 480, 640))
	for y := range 640 {
		for x := range 480 {
			picture.Set(x, y, color.RGBA{uint8(x / 2), uint8(y / 3), uint8(x * y / 64), 255})
		}
	}
	var b bytes.Buffer
	Must(jpeg.Encode(&b, picture, nil))
	return b.Bytes()
}

// Must ends the program when there is an error.
func Must(err error) {
	if err != nil {
		log.Fatalf("offline: %v", err)
	}
}

// freeAddr returns a loopback address that main can listen on in a moment. Its port
// is below those of outgoing connections, and each process begins at another one, so
// that nothing else is likely to take it before.
func freeAddr() string {
	for try := 0; ; try++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+(os.Getpid()+try)%20_000))
		if err == nil {
			Must(l.Close())
			return l.Addr().String()
		}
		if try == 100 {
			Must(err)
		}
	}
}
