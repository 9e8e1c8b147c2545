package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
)

// The layout of a bbolt file, which has been the same since 2013: pages of a
// header and elements, the first two of them metas. Numbers are in the byte order
// of the machine.
const (
	pageHead    = 16 // id 8, flags 2, count 2, overflow 4
	elementHead = 16 // branch: pos 4, key size 4, page 8; leaf: flags 4, pos 4, key size 4, value size 4

	branchPage = 0x01
	leafPage   = 0x02
	// bucketLeaf flags a leaf element whose value is a bucket: its root page 8, its
	// sequence 8, and if the root is 0 a page of its own.
	bucketLeaf = 0x01
	bucketHead = 16

	metaLen        = 64
	metaMagic      = 0xED0CDAED
	smallestPage   = 1 << 10
	biggestPage    = 1 << 24
	deepestTree    = 64
	deepestBuckets = 4
)

var order = binary.NativeEndian

// verify reads the pages that a bbolt file's newest meta leads to and checks that
// each is what it should be and is used once, that what it holds is within it, and
// that keys are in order: what bbolt relies on and does not look at.
func verify(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	v := verifier{file: file}
	root, err := v.meta(info.Size())
	if err != nil {
		return err
	}
	v.seen = make([]uint64, (v.pages+63)/64)
	return v.page(root, nil, nil, 0, 0)
}

type verifier struct {
	file     io.ReaderAt
	pageSize int64
	pages    uint64   // the number of pages in use, or free and below one in use
	seen     []uint64 // a bit a page
}

// meta finds the newest sound meta and returns the root page.
func (v *verifier) meta(size int64) (root uint64, err error) {
	var newest uint64
	found := false
	try := func(at int64) {
		b := make([]byte, metaLen)
		if _, err := v.file.ReadAt(b, at+pageHead); err != nil {
			return
		}
		h := fnv.New64a()
		h.Write(b[:metaLen-8])
		if order.Uint32(b) != metaMagic || order.Uint64(b[metaLen-8:]) != h.Sum64() {
			return
		}
		if tx := order.Uint64(b[48:]); !found || tx > newest {
			found, newest = true, tx
			v.pageSize = int64(order.Uint32(b[8:]))
			root, v.pages = order.Uint64(b[16:]), order.Uint64(b[40:])
		}
	}
	try(0)
	for at := int64(smallestPage); at <= biggestPage; at *= 2 { // the second is a page on
		if try(at); found {
			break
		}
	}
	if found {
		try(v.pageSize)
	}
	switch {
	case !found:
		return 0, damaged("both heads")
	case v.pageSize < smallestPage || v.pageSize > biggestPage || v.pageSize&(v.pageSize-1) != 0:
		return 0, damaged("pages of %d bytes", v.pageSize)
	case v.pages > uint64(size/v.pageSize):
		return 0, damaged("it has %d bytes and should have %d", size, v.pages*uint64(v.pageSize))
	}
	return root, nil
}

// page checks a page and what it leads to. Its keys are from low up to, not with,
// high; nil is no bound.
func (v *verifier) page(id uint64, low, high []byte, depth, buckets int) error {
	if depth > deepestTree {
		return damaged("page %d is too deep", id)
	}
	b, err := v.read(id)
	if err != nil {
		return err
	}
	return v.elements(b, id, low, high, depth, buckets)
}

// read reads a page that was not seen before, with the pages it goes over.
func (v *verifier) read(id uint64) ([]byte, error) {
	if id < 2 || id >= v.pages {
		return nil, damaged("page %d of %d", id, v.pages)
	}
	b := make([]byte, v.pageSize)
	if _, err := v.file.ReadAt(b, int64(id)*v.pageSize); err != nil {
		return nil, readError(err)
	}
	overflow := uint64(order.Uint32(b[12:]))
	if order.Uint64(b) != id || overflow >= v.pages-id {
		return nil, damaged("page %d", id)
	}
	for i := id; i <= id+overflow; i++ {
		if v.seen[i/64]>>(i%64)&1 != 0 {
			return nil, damaged("page %d is used twice", i)
		}
		v.seen[i/64] |= 1 << (i % 64)
	}
	if overflow > 0 {
		rest := make([]byte, int64(overflow)*v.pageSize)
		if _, err := v.file.ReadAt(rest, int64(id+1)*v.pageSize); err != nil {
			return nil, readError(err)
		}
		b = append(b, rest...)
	}
	return b, nil
}

// readError tells an error of the disk from the end of the file.
func readError(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return err
	}
	return damaged("%v", err)
}

// elements checks what is in a page, or in the page within a bucket's value.
func (v *verifier) elements(b []byte, id uint64, low, high []byte, depth, buckets int) error {
	flags, count := order.Uint16(b[8:]), int(order.Uint16(b[10:]))
	if flags != branchPage && flags != leafPage || flags == branchPage && count == 0 ||
		pageHead+count*elementHead > len(b) {
		return damaged("page %d: kind %x with %d elements", id, flags, count)
	}
	at := func(i int) []byte { return b[pageHead+i*elementHead:] }
	// slice returns n bytes at an offset from an element's start.
	slice := func(element []byte, pos, n uint32) ([]byte, bool) {
		if uint64(pos)+uint64(n) > uint64(len(element)) {
			return nil, false
		}
		return element[pos : pos+n], true
	}
	key := func(i int) ([]byte, bool) {
		if flags == branchPage {
			return slice(at(i), order.Uint32(at(i)), order.Uint32(at(i)[4:]))
		}
		return slice(at(i), order.Uint32(at(i)[4:]), order.Uint32(at(i)[8:]))
	}
	var last []byte
	for i := range count {
		k, ok := key(i)
		if !ok || i > 0 && bytes.Compare(last, k) >= 0 ||
			low != nil && bytes.Compare(k, low) < 0 || high != nil && bytes.Compare(k, high) >= 0 {
			return damaged("page %d: key %d of %d", id, i, count)
		}
		last = k
		if flags == branchPage {
			next := high
			if i+1 < count {
				if next, ok = key(i + 1); !ok {
					return damaged("page %d: key %d of %d", id, i+1, count)
				}
			}
			if err := v.page(order.Uint64(at(i)[8:]), k, next, depth+1, buckets); err != nil {
				return err
			}
			continue
		}
		value, ok := slice(at(i), order.Uint32(at(i)[4:])+order.Uint32(at(i)[8:]), order.Uint32(at(i)[12:]))
		if !ok {
			return damaged("page %d: value %d of %d", id, i, count)
		}
		if order.Uint32(at(i))&bucketLeaf != 0 {
			if err := v.bucket(value, id, depth, buckets); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *verifier) bucket(value []byte, id uint64, depth, buckets int) error {
	if len(value) < bucketHead || buckets == deepestBuckets {
		return damaged("page %d: a bucket", id)
	}
	if root := order.Uint64(value); root != 0 {
		return v.page(root, nil, nil, 0, buckets+1)
	}
	if len(value) < bucketHead+pageHead {
		return damaged("page %d: a bucket", id)
	}
	return v.elements(value[bucketHead:], id, nil, nil, depth, buckets+1)
}
