// Command gofiles serves a folder with Go's own HTTP server and nothing else: what a proxy written in Go cannot beat.
package main

import (
	"log"
	"net/http"
	"os"
	"path/filepath"
)

func main() {
	root := os.Args[2]
	log.Fatal(http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, err := os.Open(filepath.Join(root, filepath.Clean(r.URL.Path)))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer file.Close()
		status, err := file.Stat()
		if err != nil || status.IsDir() {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Cache-Control", "public, max-age=604800")
		http.ServeContent(w, r, "", status.ModTime(), file)
	})))
}
