package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/examples/internal/offline"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Without credentials main talks to a simulator in this process. Two apps then
// call it, and main ends. In a terminal it waits for your calls instead, unless
// -demo is set. Leave this file out when you copy main.go.
func init() {
	demo := !terminal(os.Stdout)
	for _, arg := range os.Args[1:] { // flags are parsed too late
		if name, value, _ := strings.Cut(strings.TrimLeft(arg, "-"), "="); name == "demo" {
			demo = value != "false"
		}
	}
	flag.Bool("demo", demo, "offline only: plays two apps, and ends; in a terminal only if it is set")
	if testing.Testing() {
		return
	}
	sb := offline.Start(offline.Setup{Config: simulator.Config{ManualReview: true}})
	if sb == nil {
		return
	}
	offline.Must(sb.AddApplicant("63e096c51b6b4030f2e01155", "MissMoneypenny"))
	if demo && os.Getenv("ADDR") == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		offline.Must(err)
		offline.Must(l.Close())
		offline.Must(os.Setenv("ADDR", l.Addr().String()))
	}
	url := "http://" + cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8080")
	if !demo {
		fmt.Printf(howTo, url)
		go showPages(sb)
		return
	}
	go func() {
		for { // main is about to listen
			conn, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "http://"), time.Second)
			if err == nil {
				offline.Must(conn.Close())
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		play(sb, url)
		self, err := os.FindProcess(os.Getpid())
		if err != nil || self.Signal(os.Interrupt) != nil {
			os.Exit(0) // Windows has no such signal
		}
	}()
}

const howTo = `
  curl -H 'Authorization: Bearer demo-bond' -H 'Idempotency-Key: any-16-characters' -d '{"purpose":"payout"}' %[1]s/actions
  curl -H 'Authorization: Bearer demo-bond' -d '{"actionId":"ID","type":"selfieAuth","answer":"GREEN"}' %[1]s/actions/ID/result
  curl -H 'Authorization: Bearer demo-bond' -X POST %[1]s/actions/ID/token
  curl -H 'Authorization: Bearer demo-bond' %[1]s/actions/ID

`

// showPages prints a link for each new action, where you can decide it. There is
// no SDK here that takes a picture.
func showPages(sb *simulator.Server) {
	client, seen := offline.Client(), 0
	for ; ; time.Sleep(100 * time.Millisecond) {
		for _, a := range sb.Actions()[seen:] {
			userID := simulator.DefaultExternalUserID
			if a.ApplicantID != simulator.DefaultApplicantID {
				userID = "MissMoneypenny"
			}
			link, err := client.CreateWebSDKLink(context.Background(), idngo.WebSDKLinkParams{
				LevelName: a.LevelName, ExternalUserID: userID, ExternalActionID: a.ExternalActionID,
			})
			if err == nil {
				fmt.Printf("decide action %s: %s\n", a.ID, link.URL)
			}
			seen++
		}
	}
}

// play plays two apps. The simulator plays the SDK and the service.
func play(sb *simulator.Server, url string) {
	bond, penny := player{url, "demo-bond"}, player{url, "demo-penny"}
	fmt.Println("Bond wants a payout.")
	id := bond.call("POST /actions", `{"purpose":"payout"}`, "payout-4711-bond").ID
	fmt.Println("\nThe answer is lost, so his app asks again. It gets the same action.")
	bond.call("POST /actions", `{"purpose":"payout"}`, "payout-4711-bond")
	fmt.Println("\nThe token expired before he was ready.")
	bond.call("POST /actions/"+id+"/token", "", "")
	fmt.Println("\nHe shows his face to the camera, and the app reports before the review is completed.")
	bond.call("POST /actions/"+id+"/result", `{"actionId":"`+id+`","type":"selfieAuth","answer":null,"payload":{}}`, "")
	offline.Must(sb.Review(id, simulator.Outcome{Answer: "GREEN"}))
	fmt.Println("\nA moment later.")
	bond.call("GET /actions/"+id, "", "")

	fmt.Println("\nMoneypenny has changed her app: it reports GREEN.")
	penny.call("GET /actions/"+id, "", "")
	id = penny.call("POST /actions", `{"purpose":"payout"}`, "payout-4712-penny").ID
	offline.Must(sb.Review(id, simulator.Outcome{Answer: "RED", RejectLabels: []string{"BAD_FACE_MATCHING"}, RejectType: "FINAL"}))
	penny.call("POST /actions/"+id+"/result", `{"actionId":"`+id+`","answer":"GREEN"}`, "")
}

type player struct{ url, session string }

// call makes a request and prints it with its answer.
func (p player) call(endpoint, body, key string) (out action) {
	method, path, _ := strings.Cut(endpoint, " ")
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	offline.Must(err)
	req.Header.Set("Authorization", "Bearer "+p.session)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := http.DefaultClient.Do(req)
	offline.Must(err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	offline.Must(err)
	offline.Must(json.Unmarshal(answer, &out))
	fmt.Printf("  %s  %s\n  %d  %s\n", endpoint, body, res.StatusCode, bytes.TrimSpace(answer))
	return out
}

// terminal reports whether the output is a terminal.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
