// SPDX-License-Identifier: MIT

// What dockerd does with a layer or with the archive of `docker cp`, as a command of its own: the
// archive on standard input is unpacked by a second start of this program in a chroot of DIR.
//
//	moby [-uncompressed] DIR < ARCHIVE
//
// Built from Debian's golang-github-docker-docker-dev, in GOPATH mode.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/docker/docker/pkg/archive"
	"github.com/docker/docker/pkg/chrootarchive"
	"github.com/docker/docker/pkg/reexec"
)

func main() {
	if reexec.Init() {
		return
	}
	uncompressed := flag.Bool("uncompressed", false, "do not look for a compression")
	flag.Parse()
	untar := chrootarchive.Untar
	if *uncompressed {
		untar = chrootarchive.UntarUncompressed
	}
	if err := untar(os.Stdin, flag.Arg(0), &archive.TarOptions{}); err != nil {
		fmt.Fprintln(os.Stderr, "moby:", err)
		os.Exit(1)
	}
}
