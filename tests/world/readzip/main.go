// Reads zips with Go's own archive/zip and says what it finds: the other reader, against which ours is held.
//
// Each zip comes on stdin behind its length (four bytes, big-endian); a line of JSON on stdout answers it.
package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
)

type file struct {
	Name   []byte
	Sha256 []byte
}

type answer struct {
	Files []file
	Error string
}

func main() {
	in, out := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var length uint32
		if binary.Read(in, binary.BigEndian, &length) != nil {
			return
		}
		data := make([]byte, length)
		if _, err := io.ReadFull(in, data); err != nil {
			return
		}
		files, err := read(data)
		said := answer{Files: files}
		if err != nil {
			said.Error = err.Error()
		}
		if out.Encode(said) != nil {
			return
		}
	}
}

func read(data []byte) ([]file, error) {
	opened, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	files := []file{}
	for _, each := range opened.File {
		content, err := each.Open()
		if err != nil {
			return nil, err
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, io.LimitReader(content, 64<<20)); err != nil {
			return nil, err
		}
		files = append(files, file{[]byte(each.Name), sum.Sum(nil)})
	}
	return files, nil
}
