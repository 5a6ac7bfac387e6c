// Prints every transition of an alert once. Usage: node consumer.js BROKERS TOPIC SCHEMAS.
import { readFileSync } from 'node:fs';
import avro from 'avsc';
import { Kafka, logLevel } from 'kafkajs';

/** An exact decimal as text; without it cmrr is a Buffer of its unscaled big-endian digits. */
class Decimal extends avro.types.LogicalType {
  constructor(attributes, options) {
    super(attributes, options);
    this.scale = attributes.scale;
  }

  _fromValue(bytes) {
    const unscaled = BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString('hex')}`));
    const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(this.scale + 1, '0');
    return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -this.scale)}.${digits.slice(-this.scale)}`;
  }
}

const [brokers, topic, folder] = process.argv.slice(2);
const schemas = new Map();
const registry = readFileSync(`${folder}/registry.yaml`, 'utf8');
for (const [, id, file] of registry.matchAll(/{id: (\d+),.* file: (alert_event\/.*)}/g)) {
  const schema = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'));
  schemas.set(Number(id), avro.Type.forSchema(schema, { logicalTypes: { decimal: Decimal } }));
}
const seen = new Set();

const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: 'alerts-node' });
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message: { value } }) => {
    // Byte 0 is 0, then the schema's id, then Avro.
    const alert = schemas.get(value.readInt32BE(1)).fromBuffer(value.subarray(5));
    const transition = `${alert.alert_id} ${alert.sequence}`;
    if (!seen.has(transition)) {
      seen.add(transition);
      console.log(alert.account_id, alert.sign, alert.severity, alert.cmrr ?? '-');
    }
  },
});
