#!/bin/sh
# Go's Avro libraries floor an amount that has more digits than the schema's scale, without an error.
#
# Version: github.com/linkedin/goavro/v2 v2.15.0, github.com/hamba/avro/v2 v2.31.0, Go 1.26
# Guess: 12.34569 at scale 4 is refused, as Java refuses it, or rounded to 12.3457.
# Seen:  both write 12.3456, and -12.34561 as -12.3457: floored. What comes from a float64 therefore loses
#        a ten-thousandth: 19.99 is written as 19.9899.
#   goavro 12.34569 -> 12.3456, -12.34561 -> -12.3457, float64 19.99 -> 19.9899
#   hamba 12.34569 -> 12.3456, -12.34561 -> -12.3457, float64 19.99 -> 19.9899
# Do:    make the amount from text (big.Rat.SetString), and round it to the scale before writing.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > main.go <<'GO'
package main

import (
	"fmt"
	"math/big"

	"github.com/hamba/avro/v2"
	"github.com/linkedin/goavro/v2"
)

const text = `{"type":"bytes","logicalType":"decimal","precision":18,"scale":4}`

func main() {
	up, _ := new(big.Rat).SetString("12.34569")
	down, _ := new(big.Rat).SetString("-12.34561")
	float := new(big.Rat).SetFloat64(19.99)
	schema := avro.MustParse(text)
	codec, err := goavro.NewCodec(text)
	check(err)
	viaGoavro := func(amount *big.Rat) string {
		written, err := codec.BinaryFromNative(nil, amount)
		check(err)
		read, _, err := codec.NativeFromBinary(written)
		check(err)
		return read.(*big.Rat).FloatString(4)
	}
	viaHamba := func(amount *big.Rat) string {
		written, err := avro.Marshal(schema, amount)
		check(err)
		var read any
		check(avro.Unmarshal(schema, written, &read))
		return read.(*big.Rat).FloatString(4)
	}
	for _, way := range []struct {
		name string
		via  func(*big.Rat) string
	}{{"goavro", viaGoavro}, {"hamba", viaHamba}} {
		fmt.Printf("%s 12.34569 -> %s, -12.34561 -> %s, float64 19.99 -> %s\n",
			way.name, way.via(up), way.via(down), way.via(float))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
go mod init trial 2>/dev/null
go get github.com/linkedin/goavro/v2@v2.15.0 github.com/hamba/avro/v2@v2.31.0 2>/dev/null
cat > expected <<'TEXT'
goavro 12.34569 -> 12.3456, -12.34561 -> -12.3457, float64 19.99 -> 19.9899
hamba 12.34569 -> 12.3456, -12.34561 -> -12.3457, float64 19.99 -> 19.9899
TEXT
go run . | tee seen
diff expected seen
