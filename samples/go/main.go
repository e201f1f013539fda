// Attaché from Go's standard library: token, upload, document, read it back, link, checked download into ./downloads.
//
//	export ATTACHE_URL=http://127.0.0.1:8700 ATTACHE_APP_KEY=… ATTACHE_APP_SECURITY=…
//	go run go/main.go 发票.pdf
package main

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

type object map[string]any
type value[T any] struct{ Value T }
type attachment struct{ Key, FileID, FileName string }
type form struct {
	Code        string
	Attachments []attachment
}

// Without compression on the way, so that Content-Length is that of the file.
var transport = &http.Transport{Proxy: http.ProxyFromEnvironment, DisableCompression: true}
var client = &http.Client{Timeout: 5 * time.Minute, Transport: transport}

func main() {
	if len(os.Args) != 2 || os.Getenv("ATTACHE_URL") == "" {
		check(errors.New("usage: set ATTACHE_URL, ATTACHE_APP_KEY and ATTACHE_APP_SECURITY, then main.go FILE"))
	}
	api, name := strings.TrimRight(os.Getenv("ATTACHE_URL"), "/")+"/api/openapi", filepath.Base(os.Args[1])
	pair := object{"appKey": os.Getenv("ATTACHE_APP_KEY"), "appSecurity": os.Getenv("ATTACHE_APP_SECURITY")}
	granted := post[value[struct{ AccessToken string }]](api+"/v1/auth/getAccessToken", pair)
	token := "accessToken=" + url.QueryEscape(granted.Value.AccessToken)

	content, err := os.ReadFile(os.Args[1]) // in memory: the service takes 30 MiB at most
	check(err)
	body := &bytes.Buffer{} // where writing never fails
	writer := multipart.NewWriter(body)
	_ = writer.WriteField("name", name) // in UTF-8
	part, _ := writer.CreateFormFile("file", name)
	_, _ = part.Write(content)
	_ = writer.Close()
	sent := read[value[attachment]](client.Post(api+"/v2/attachment/upload?"+token, writer.FormDataContentType(), body)).Value

	// The vendor's own service wants the fields of your template as well.
	attachments := []object{{"key": sent.Key, "fileId": sent.FileID, "fileName": sent.FileName}}
	document := object{"form": object{"title": "Go", "attachments": attachments}}
	saved := post[struct{ Flow struct{ Form form } }](api+"/v2.2/flow/data?isCommit=false&"+token, document)
	code := "&code=" + url.QueryEscape(saved.Flow.Form.Code)
	found := read[value[struct{ Form form }]](client.Get(api + "/v1.1/flowDetails/byCode?" + token + code))

	for _, one := range found.Value.Form.Attachments {
		item := object{"id": one.FileID, "key": one.Key, "expiration": 600}
		links := post[[]struct{ URL string }](api+"/v2/attachment/downloadurls?"+token, []object{item})
		if len(links) == 0 {
			check(fmt.Errorf("no link for %s: unknown, removed or of another corporation", one.FileName))
		}
		download(links[0].URL, filepath.Join("downloads", filepath.Base(one.FileName))) // never outside it
	}
}

// download saves the file whole and checked, or not at all. The link goes as it came: it is signed.
func download(link, path string) {
	response, content := answer(client.Get(link))
	hash := md5.Sum(content)
	digest, promised := base64.StdEncoding.EncodeToString(hash[:]), response.Header.Get("Content-MD5")
	if int64(len(content)) != response.ContentLength || digest != promised {
		check(fmt.Errorf("%s: %d bytes of MD5 %s came, not of %s", path, len(content), digest, promised))
	}
	check(os.MkdirAll(filepath.Dir(path), 0o755))
	check(os.WriteFile(path+".part", content, 0o644))
	check(os.Rename(path+".part", path))
	fmt.Printf("ok %s %d %x\n", filepath.Base(path), len(content), hash)
}

func post[T any](address string, body any) T {
	text, _ := json.Marshal(body) // maps and strings never fail
	return read[T](client.Post(address, "application/json", bytes.NewReader(text)))
}

func read[T any](response *http.Response, err error) (out T) {
	_, content := answer(response, err)
	check(json.Unmarshal(content, &out))
	return out
}

// answer ends the program with the service's own words unless the status is 200; a proxy says them in plain text.
func answer(response *http.Response, err error) (*http.Response, []byte) {
	check(err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	check(err)
	if response.StatusCode != http.StatusOK {
		failure := struct{ ErrorMessage string }{fmt.Sprintf("HTTP %d %.200s", response.StatusCode, content)}
		_ = json.Unmarshal(content, &failure)
		check(errors.New(failure.ErrorMessage))
	}
	return response, content
}

func check(err error) {
	if address, ok := err.(*url.Error); ok { // its text holds the address, and so the token
		err = address.Err
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
