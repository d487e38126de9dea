// SPDX-License-Identifier: MIT

// A parent program: starts inroot, follows its records, and hears from the payload over a pipe.
//
//	go-parent [--OPTION[=VALUE]]... ROOT COMMAND [ARG]...
//
// The payload finds the number of its end of the pipe in RESULT_FD:
//
//	go-parent --ro ROOT sh -c 'echo hello >&$RESULT_FD'
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// O_PATH of open(2), which package syscall lacks.
const oPath = 0x200000

// One record. Fields and types of later versions are ignored.
type record struct {
	Type     string  `json:"type"`
	Method   string  `json:"method"`
	Userns   bool    `json:"userns"`
	Fallback *string `json:"fallback"`
	Stage    string  `json:"stage"`
	Op       string  `json:"op"`
	Message  string  `json:"message"`
	Hint     string  `json:"hint"`
}

// follow reads the records to their end: was the root entered, and the error if there was one.
func follow(records io.Reader, sync io.Writer) (entered bool, failure *record, err error) {
	lines := bufio.NewScanner(records)
	for lines.Scan() {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return entered, failure, err
		}
		switch r.Type {
		case "mounts-ready":
			// Here a parent would do what must be done before the payload runs. Then one byte: go on.
			// Nobody reads it if the helper was killed meanwhile; end of file comes next then.
			if _, err := sync.Write([]byte("\n")); err != nil && !errors.Is(err, syscall.EPIPE) {
				return entered, failure, err
			}
		case "entered":
			entered = true
			fmt.Printf("entered: %s, user namespace: %v\n", r.Method, r.Userns)
			if r.Fallback != nil {
				fmt.Printf("not the best way, because of %s\n", *r.Fallback)
			}
		case "payload": // this and the next only where the helper stays
			fmt.Println("the payload runs")
		case "exit":
			fmt.Println("the payload has ended")
		case "error":
			failure = &r
		}
	}
	return entered, failure, lines.Err()
}

// run returns the exit status of the helper, which is the payload's where there was one.
func run(options []string, rootPath string, command []string) (int, error) {
	// The directory is opened once, here: whatever happens to its path, this is what is entered.
	root, err := os.OpenFile(rootPath, oPath|syscall.O_DIRECTORY, 0)
	if err != nil {
		return 0, err
	}
	statusRead, statusWrite, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	syncRead, syncWrite, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	resultRead, resultWrite, err := os.Pipe()
	if err != nil {
		return 0, err
	}

	program := os.Getenv("INROOT")
	if program == "" {
		program = "inroot"
	}
	// The helper inherits these only, as 3, 4, 5 and 6. With a copy of syncWrite it would never see
	// that we are gone.
	theirs := []*os.File{root, statusWrite, syncRead, resultWrite}
	args := []string{"exec", "--status-fd=4", "--sync-fd=5", "--pass-fd=6", "--env=RESULT_FD=6"}
	args = append(append(append(args, options...), "fd:3"), command...)
	// With --die-with-parent among the options this goroutine would need runtime.LockOSThread: the
	// kernel looks at the thread that started the helper, and Go ends threads when it likes.
	helper := exec.Command(program, args...)
	helper.Stdin, helper.Stdout, helper.Stderr = os.Stdin, os.Stdout, os.Stderr
	helper.ExtraFiles = theirs
	if err := helper.Start(); err != nil {
		return 0, err
	}
	// And we keep ours only: with a copy of statusWrite here, its end of file would never come.
	for _, file := range theirs {
		file.Close()
	}

	// Beside the records: where the helper stays they end with the payload, and the payload would
	// wait for a reader once the pipe is full.
	result := make(chan []byte)
	go func() {
		data, _ := io.ReadAll(resultRead)
		result <- data
	}()
	entered, failure, err := follow(statusRead, syncWrite)
	// End of file, of the records: the payload runs, or has ended, or there is an error, or the
	// helper was killed. The last is what is left when it neither entered nor said why.
	syncWrite.Close()
	data := <-result
	waitError := helper.Wait()
	if err != nil {
		return 0, err
	}
	var ended *exec.ExitError
	if waitError != nil && !errors.As(waitError, &ended) {
		return 0, waitError
	}

	status := helper.ProcessState.Sys().(syscall.WaitStatus)
	code := status.ExitStatus()
	if status.Signaled() {
		code = 128 + int(status.Signal())
	}
	switch {
	case failure != nil:
		fmt.Printf("inroot failed at %s: %s: %s\n", failure.Stage, failure.Op, failure.Message)
		if failure.Hint != "" {
			fmt.Printf("hint: %s\n", failure.Hint)
		}
	case !entered:
		fmt.Println("inroot was killed")
	default:
		fmt.Printf("result: %q\n", data)
		fmt.Printf("status: %d\n", code)
	}
	return code, nil
}

func main() {
	words := os.Args[1:]
	var options []string
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		options = append(options, words[0])
		words = words[1:]
	}
	if len(words) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go-parent [--OPTION[=VALUE]]... ROOT COMMAND [ARG]...")
		os.Exit(2)
	}
	code, err := run(options, words[0], words[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "go-parent:", err)
		os.Exit(1)
	}
	os.Exit(code)
}
