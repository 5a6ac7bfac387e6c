// Prints every transition of an alert once. Usage: alerts BROKERS TOPIC SCHEMAS.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

type alert struct {
	AlertID   string `avro:"alert_id"`
	Sequence  int    `avro:"sequence"`
	AccountID string `avro:"account_id"`
	Sign      string `avro:"sign"`
	Severity  string `avro:"severity"`
	CMRR      any    `avro:"cmrr"` // nil or *big.Rat; a field of type *big.Rat reads 0, see the README
}

type transition struct {
	alertID  string
	sequence int
}

func main() {
	brokers, topic, folder := os.Args[1], os.Args[2], os.Args[3]
	schemas := readSchemas(folder)
	client := must(kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumerGroup("alerts-go"),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())))
	seen := map[transition]bool{}
	for {
		fetches := client.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			log.Fatal(err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			// Byte 0 is 0, then the schema's id, then Avro.
			schema := schemas[int(binary.BigEndian.Uint32(record.Value[1:5]))]
			var read alert
			if err := avro.Unmarshal(schema, record.Value[5:], &read); err != nil {
				log.Fatal(err)
			}
			if key := (transition{read.AlertID, read.Sequence}); !seen[key] {
				seen[key] = true
				fmt.Println(read.AccountID, read.Sign, read.Severity, amount(read.CMRR))
			}
		})
	}
}

// readSchemas returns the alert's schemas by their ids in registry.yaml.
func readSchemas(folder string) map[int]avro.Schema {
	registry := must(os.ReadFile(filepath.Join(folder, "registry.yaml")))
	schemas := map[int]avro.Schema{}
	lines := regexp.MustCompile(`{id: (\d+),.* file: (alert_event/.*)}`)
	for _, line := range lines.FindAllSubmatch(registry, -1) {
		file := filepath.Join(folder, string(line[2]))
		schemas[must(strconv.Atoi(string(line[1])))] = must(avro.ParseFiles(file))
	}
	return schemas
}

func amount(cmrr any) string {
	if cmrr == nil {
		return "-"
	}
	return cmrr.(*big.Rat).FloatString(4)
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
