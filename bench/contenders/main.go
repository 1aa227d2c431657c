// What somebody would write by hand in Go, for the benchmark to be beside: it consumes, cuts the signature out of the record,
// verifies, signs and posts, and does nothing else. No order, no retries, no deadlines, no commits, no log, no parsing of JSON:
// it finds what it needs by searching for the bytes that the benchmark's records hold.
//
// Usage: contender -client fasthttp|net/http -brokers B -topic T -group G -secret S -in-flight N -records N [-ca FILE]
// Ends after so many answers (0: once it has its assignment) and prints one line of JSON, as the floor does.
package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"hash"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/valyala/fasthttp"
)

type told struct {
	Answered   int64 `json:"answered"`
	PeakRSSKB  int64 `json:"peak_rss_kb"`
	StartNS    int64 `json:"start_ns"`
	AssignedNS int64 `json:"assigned_ns"`
}

// post sends one signed body and returns the answer's status.
type post func(url string, body []byte, stamp, signature string) int

// A worker has one request in flight; its hash is made once.
type worker struct {
	mac  hash.Hash
	post post
	sum  []byte
}

var headersMember = []byte(`"headers":{`)

// member returns the text behind `"name":"` in `within`.
func member(within []byte, name string) []byte {
	_, rest, found := bytes.Cut(within, []byte(`"`+name+`":"`))
	value, _, ended := bytes.Cut(rest, []byte(`"`))
	if !found || !ended {
		log.Fatalf("the record has no %s", name)
	}
	return value
}

func (w *worker) signature(stamp, payload []byte) string {
	w.mac.Reset()
	w.mac.Write(stamp)
	w.mac.Write([]byte("."))
	w.mac.Write(payload)
	w.sum = w.mac.Sum(w.sum[:0])
	return "v1," + base64.StdEncoding.EncodeToString(w.sum)
}

// deliver expects the two members alone in `headers`, which stand last in the record.
func (w *worker) deliver(record []byte) {
	at := bytes.LastIndex(record, headersMember)
	if at < 0 {
		log.Fatal("the record has no headers")
	}
	at += len(headersMember)
	headers := record[at:]
	payload := append(append(make([]byte, 0, at+2), record[:at]...), "}}"...)
	if !hmac.Equal(member(headers, "X-Port-Signature"), []byte(w.signature(member(headers, "X-Port-Timestamp"), payload))) {
		log.Fatal("wrong signature")
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	if status := w.post(string(member(payload, "url")), payload, stamp, w.signature([]byte(stamp), payload)); status != 200 {
		log.Fatalf("answered %d", status)
	}
}

func tlsConfig(ca string) *tls.Config {
	if ca == "" {
		return nil
	}
	text, err := os.ReadFile(ca)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		log.Fatalf("%s: no certificate authority", ca)
	}
	return &tls.Config{RootCAs: pool, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
}

func fastPost(inFlight int, ca string) post {
	client := &fasthttp.Client{MaxConnsPerHost: inFlight, NoDefaultUserAgentHeader: true, TLSConfig: tlsConfig(ca)}
	return func(url string, body []byte, stamp, signature string) int {
		request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		defer fasthttp.ReleaseRequest(request)
		defer fasthttp.ReleaseResponse(response)
		request.SetRequestURI(url)
		request.Header.SetMethod("POST")
		request.Header.SetContentType("application/json")
		request.Header.Set("X-Port-Timestamp", stamp)
		request.Header.Set("X-Port-Signature", signature)
		request.SetBodyRaw(body)
		if err := client.Do(request, response); err != nil {
			log.Fatal(err)
		}
		return response.StatusCode()
	}
}

func netPost(inFlight int, ca string) post {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight, MaxIdleConns: 0, TLSClientConfig: tlsConfig(ca)}}
	return func(url string, body []byte, stamp, signature string) int {
		request, err := http.NewRequest("POST", url, bytes.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		request.Header = http.Header{"Content-Type": {"application/json"}, "X-Port-Timestamp": {stamp}, "X-Port-Signature": {signature}}
		response, err := client.Do(request)
		if err != nil {
			log.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		return response.StatusCode
	}
}

func peakRSSKB() (kb int64) {
	text, _ := os.ReadFile("/proc/self/status")
	if _, rest, found := strings.Cut(string(text), "VmHWM:"); found {
		fmt.Sscan(rest, &kb)
	}
	return kb
}

func main() {
	begin := told{StartNS: time.Now().UnixNano()}
	name := flag.String("client", "fasthttp", "fasthttp or net/http")
	brokers := flag.String("brokers", "", "")
	topic := flag.String("topic", "", "")
	group := flag.String("group", "", "")
	secret := flag.String("secret", "", "")
	ca := flag.String("ca", "", "certificate authority of https endpoints")
	inFlight := flag.Int("in-flight", 64, "")
	records := flag.Int64("records", 0, "")
	flag.Parse()

	clients := map[string]func(int, string) post{"fasthttp": fastPost, "net/http": netPost}
	send := clients[*name](*inFlight, *ca)
	assigned := make(chan struct{})
	var once sync.Once
	consumer, err := kgo.NewClient(kgo.SeedBrokers(*brokers), kgo.ConsumeTopics(*topic), kgo.ConsumerGroup(*group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.DisableFetchCRCValidation(),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) {
			once.Do(func() { begin.AssignedNS = time.Now().UnixNano(); close(assigned) })
		}))
	if err != nil {
		log.Fatal(err)
	}
	defer consumer.Close()

	var answered atomic.Int64
	done := make(chan struct{})
	queue := make(chan []byte, *inFlight)
	for range *inFlight {
		w := &worker{mac: hmac.New(sha256.New, []byte(*secret)), post: send}
		go func() {
			for record := range queue {
				w.deliver(record)
				if answered.Add(1) == *records {
					close(done)
				}
			}
		}()
	}
	if *records > 0 {
		consume(consumer, queue, *records)
		<-done
	} else {
		go consumer.PollFetches(context.Background())
		<-assigned
	}
	begin.Answered, begin.PeakRSSKB = answered.Load(), peakRSSKB()
	json.NewEncoder(os.Stdout).Encode(begin)
}

func consume(consumer *kgo.Client, queue chan<- []byte, records int64) {
	var taken int64
	for taken < records {
		fetches := consumer.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			log.Fatal(err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			if taken++; taken <= records {
				queue <- record.Value
			}
		})
	}
}
