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
type attachment struct{ Key, FileID, FileName string }
type document struct {
	Form struct {
		Code        string
		Attachments []attachment
	}
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
	granted := post[struct{ Value struct{ AccessToken string } }](api+"/v1/auth/getAccessToken", pair)
	token := "accessToken=" + url.QueryEscape(granted.Value.AccessToken)

	content, err := os.ReadFile(os.Args[1]) // in memory: the service takes 30 MiB at most
	check(err)
	body := &bytes.Buffer{} // where writing never fails
	writer := multipart.NewWriter(body)
	_ = writer.WriteField("name", name) // in UTF-8
	part, _ := writer.CreateFormFile("file", name)
	_, _ = part.Write(content)
	_ = writer.Close()
	contentType := writer.FormDataContentType()
	sent := read[struct{ Value attachment }](client.Post(api+"/v2/attachment/upload?"+token, contentType, body)).Value

	// The vendor's own service wants the fields of your template as well.
	attachments := []object{{"key": sent.Key, "fileId": sent.FileID, "fileName": sent.FileName}}
	form := object{"form": object{"title": "Go", "attachments": attachments}}
	saved := post[struct{ Flow document }](api+"/v2.2/flow/data?isCommit=false&"+token, form)
	code := "&code=" + url.QueryEscape(saved.Flow.Form.Code)
	found := read[struct{ Value document }](client.Get(api + "/v1.1/flowDetails/byCode?" + token + code))

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
	response := opened(client.Get(link))
	defer response.Body.Close()
	check(os.MkdirAll(filepath.Dir(path), 0o755))
	part, err := os.Create(path + ".part")
	check(err)
	hash := md5.New()
	size, err := io.Copy(io.MultiWriter(part, hash), response.Body)
	if closed := part.Close(); err == nil {
		err = closed
	}
	digest := base64.StdEncoding.EncodeToString(hash.Sum(nil))
	length, promised := response.ContentLength, response.Header.Get("Content-MD5")
	if err == nil && (size != length || digest != promised) {
		err = fmt.Errorf("%s: %d bytes of MD5 %s came, not %d of %s", path, size, digest, length, promised)
	}
	if err != nil {
		_ = os.Remove(part.Name())
	}
	check(err)
	check(os.Rename(part.Name(), path))
	fmt.Printf("ok %s %d %x\n", filepath.Base(path), size, hash.Sum(nil))
}

func post[T any](address string, body any) T {
	text, err := json.Marshal(body)
	check(err)
	return read[T](client.Post(address, "application/json", bytes.NewReader(text)))
}

func read[T any](response *http.Response, err error) (out T) {
	response = opened(response, err)
	defer response.Body.Close()
	check(json.NewDecoder(response.Body).Decode(&out))
	return out
}

// opened ends the program with the service's own words unless the status is 200; a proxy says them in plain text.
func opened(response *http.Response, err error) *http.Response {
	check(err)
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
		var failure struct{ ErrorMessage string }
		if json.Unmarshal(text, &failure) == nil && failure.ErrorMessage != "" {
			check(errors.New(failure.ErrorMessage))
		}
		check(fmt.Errorf("HTTP %d %.200s", response.StatusCode, text))
	}
	return response
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
