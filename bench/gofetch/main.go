// Command gofetch stands in for the proxies that are written in Go where they cannot be built: it does what their
// documentation says that a cold request costs, and nothing else. It checks nothing and is no proxy to use.
//
//	gofetch command ADDRESS FOLDER UPSTREAM GO   runs `go mod download -json` in an empty GOPATH for each new version,
//	                                             ten at a time, and `go list -m -versions` for each list
//	gofetch http ADDRESS FOLDER UPSTREAM         fetches .info, .mod and .zip of each new version from the upstream
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"unicode"
)

type proxy struct {
	folder, upstream, goBinary string
	client                     *http.Client
	places                     chan struct{}
	mutex                      sync.Mutex
	flights                    map[string]*flight
}

type flight struct {
	done chan struct{}
	err  error
}

func main() {
	how, address := os.Args[1], os.Args[2]
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 100
	p := &proxy{folder: os.Args[3], upstream: os.Args[4], client: &http.Client{Transport: transport},
		places: make(chan struct{}, 10), flights: map[string]*flight{}}
	fetch := p.fetch
	if how == "command" {
		p.goBinary = os.Args[5]
		fetch = p.download
	}
	log.Fatal(http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.answer(w, r, fetch)
	})))
}

func (p *proxy) answer(w http.ResponseWriter, r *http.Request, fetch func(module, version string) error) {
	module, name, found := strings.Cut(strings.TrimPrefix(filepath.Clean(r.URL.Path), "/"), "/@v/")
	ending := filepath.Ext(name)
	version := strings.TrimSuffix(name, ending)
	switch {
	case found && (ending == ".info" || ending == ".mod" || ending == ".zip"):
	case p.goBinary != "":
		p.list(w, module)
		return
	default:
		p.pass(w, r)
		return
	}
	file := filepath.Join(p.folder, module, "@v", name)
	if _, err := os.Stat(file); err != nil {
		if err := fetch(module, version); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
	}
	w.Header().Set("Cache-Control", "public, max-age=604800")
	http.ServeFile(w, r, file)
}

// download is one run of the go command for each version, however many ask for it.
func (p *proxy) download(module, version string) error {
	key := module + "@" + version
	p.mutex.Lock()
	running, found := p.flights[key]
	if !found {
		running = &flight{done: make(chan struct{})}
		p.flights[key] = running
	}
	p.mutex.Unlock()
	if found {
		<-running.done
		return running.err
	}
	p.places <- struct{}{}
	running.err = p.byCommand(module, version)
	<-p.places
	p.mutex.Lock()
	delete(p.flights, key)
	p.mutex.Unlock()
	close(running.done)
	return running.err
}

func (p *proxy) byCommand(module, version string) error {
	path, err := os.MkdirTemp("", "gofetch")
	if err != nil {
		return err
	}
	defer p.remove(path)
	said, err := p.goCommand(path, "mod", "download", "-json", unescaped(module)+"@"+unescaped(version))
	var told struct{ Info, GoMod, Zip, Error string }
	if failed := json.Unmarshal(said, &told); failed != nil || told.Error != "" {
		return errors.Join(err, errors.New(told.Error))
	}
	for ending, source := range map[string]string{".info": told.Info, ".mod": told.GoMod, ".zip": told.Zip} {
		opened, err := os.Open(source)
		if err != nil {
			return err
		}
		err = p.save(module, version+ending, opened)
		opened.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// remove deletes a module cache, whose folders nobody may write to.
func (p *proxy) remove(path string) {
	filepath.Walk(path, func(name string, info os.FileInfo, err error) error {
		if err == nil && info.IsDir() {
			os.Chmod(name, 0o755)
		}
		return nil
	})
	os.RemoveAll(path)
}

func (p *proxy) goCommand(path string, arguments ...string) ([]byte, error) {
	command := exec.Command(p.goBinary, arguments...)
	command.Dir = path
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "GOPATH=" + path, "GOCACHE=" + filepath.Join(path, "cache"), "HOME=" + path,
		"GOPROXY=" + p.upstream, "GOSUMDB=off", "GOTOOLCHAIN=local", "GO111MODULE=on", "GOFLAGS="}
	return command.Output()
}

func (p *proxy) list(w http.ResponseWriter, module string) {
	module, isLatest := strings.CutSuffix(module, "/@latest")
	path, err := os.MkdirTemp("", "gofetch")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer p.remove(path)
	said, err := p.goCommand(path, "list", "-m", "-versions", "-json", unescaped(module)+"@latest")
	var told struct {
		Version, Time string
		Versions      []string
	}
	if json.Unmarshal(said, &told) != nil || err != nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	if isLatest {
		json.NewEncoder(w).Encode(map[string]string{"Version": told.Version, "Time": told.Time})
		return
	}
	io.WriteString(w, strings.Join(told.Versions, "\n"))
}

// fetch brings all three files, whichever was asked for; who asks at the same time fetches them too.
func (p *proxy) fetch(module, version string) error {
	for _, ending := range []string{".info", ".mod", ".zip"} {
		answer, err := p.client.Get(p.upstream + "/" + module + "/@v/" + version + ending)
		if err != nil {
			return err
		}
		if answer.StatusCode != http.StatusOK {
			answer.Body.Close()
			return fmt.Errorf("the upstream answered %s", answer.Status)
		}
		err = p.save(module, version+ending, answer.Body)
		answer.Body.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *proxy) save(module, name string, body io.Reader) error {
	folder := filepath.Join(p.folder, module, "@v")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(folder, ".new")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	if _, err := io.Copy(temporary, body); err != nil {
		temporary.Close()
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), filepath.Join(folder, name))
}

func (p *proxy) pass(w http.ResponseWriter, r *http.Request) {
	answer, err := p.client.Get(p.upstream + r.URL.Path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	w.WriteHeader(answer.StatusCode)
	io.Copy(w, answer.Body)
}

// unescaped gives capital letters back (https://go.dev/ref/mod#goproxy-protocol).
func unescaped(path string) string {
	var text strings.Builder
	upper := false
	for _, letter := range path {
		if letter == '!' {
			upper = true
			continue
		}
		if upper {
			letter, upper = unicode.ToUpper(letter), false
		}
		text.WriteRune(letter)
	}
	return text.String()
}
