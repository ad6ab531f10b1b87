package simulator

import (
	"bufio"
	"encoding/binary"
	"io"
)

// imageSize returns the resolution of a PNG, a GIF or a JPEG, or nil. The packages of the
// standard library are not used: they register themselves in every program that imports
// this package.
func imageSize(r *bufio.Reader) *wireResolution {
	head, _ := r.Peek(24)
	size := &wireResolution{}
	switch {
	case len(head) >= 24 && string(head[:8]) == "\x89PNG\r\n\x1a\n" && string(head[12:16]) == "IHDR":
		size.Width, size.Height = int(binary.BigEndian.Uint32(head[16:])), int(binary.BigEndian.Uint32(head[20:]))
	case len(head) >= 10 && (string(head[:6]) == "GIF87a" || string(head[:6]) == "GIF89a"):
		size.Width, size.Height = int(binary.LittleEndian.Uint16(head[6:])), int(binary.LittleEndian.Uint16(head[8:]))
	case len(head) >= 2 && string(head[:2]) == "\xff\xd8":
		return jpegSize(r)
	default:
		return nil
	}
	return size
}

// jpegSize reads segments up to the one that begins a frame.
func jpegSize(r *bufio.Reader) *wireResolution {
	_, _ = r.Discard(2)
	for {
		marker, err := r.ReadByte()
		if err != nil || marker != 0xff {
			return nil
		}
		for marker == 0xff { // fill bytes
			if marker, err = r.ReadByte(); err != nil {
				return nil
			}
		}
		var segment [7]byte // length, precision, height, width
		if _, err := io.ReadFull(r, segment[:2]); err != nil {
			return nil
		}
		length := int(binary.BigEndian.Uint16(segment[:]))
		isFrame := marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
		if !isFrame {
			if _, err := r.Discard(max(length-2, 0)); err != nil {
				return nil
			}
			continue
		}
		if _, err := io.ReadFull(r, segment[2:]); err != nil {
			return nil
		}
		return &wireResolution{Width: int(binary.BigEndian.Uint16(segment[5:])), Height: int(binary.BigEndian.Uint16(segment[3:]))}
	}
}
