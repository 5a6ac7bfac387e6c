#!/bin/sh
# hamba/avro reads 0 for every amount, where a nullable decimal goes into a field of type *big.Rat.
#
# Version: github.com/hamba/avro/v2 v2.31.0 (also v2.29.0, v2.30.0; v2.20.0 reads it rightly), Go 1.26
#        Known to its authors since v2.24.0: hamba/avro issue 453.
# Guess: a field *big.Rat holds the amount, as it does for a decimal that cannot be null, or there is an
#        error.
# Seen:  the field holds 0 and there is no error, though the bytes are right: a field of type any holds
#        1200.5000.
#   *big.Rat 0.0000
#   any      1200.5000
# Do:    give the field the type any, and take the *big.Rat out of it.
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
)

var schema = avro.MustParse(`{"type":"record","name":"Payment","fields":[{"name":"amount","type":["null",
	{"type":"bytes","logicalType":"decimal","precision":18,"scale":4}]}]}`)

func main() {
	amount, _ := new(big.Rat).SetString("1200.5")
	written, err := avro.Marshal(schema, map[string]any{"amount": amount})
	check(err)
	var typed struct {
		Amount *big.Rat `avro:"amount"`
	}
	check(avro.Unmarshal(schema, written, &typed))
	fmt.Println("*big.Rat", typed.Amount.FloatString(4))
	var loose struct {
		Amount any `avro:"amount"`
	}
	check(avro.Unmarshal(schema, written, &loose))
	fmt.Println("any     ", loose.Amount.(*big.Rat).FloatString(4))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
go mod init trial 2>/dev/null
go get github.com/hamba/avro/v2@v2.31.0 2>/dev/null
cat > expected <<'TEXT'
*big.Rat 0.0000
any      1200.5000
TEXT
go run . | tee seen
diff expected seen
