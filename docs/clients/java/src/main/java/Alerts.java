import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.avro.Schema;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import telltale.health.v1.AlertEvent;

/** Prints every transition of an alert once. Arguments: BROKERS TOPIC SCHEMAS. */
public class Alerts {
    record Transition(String alertId, int sequence) {}

    public static void main(String[] arguments) throws IOException {
        Map<Integer, Schema> schemas = readSchemas(Path.of(arguments[2]));
        Set<Transition> seen = new HashSet<>();
        Properties group = new Properties();
        group.put("bootstrap.servers", arguments[0]);
        group.put("group.id", "alerts-java");
        group.put("auto.offset.reset", "earliest");
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<>(group, bytes, bytes)) {
            consumer.subscribe(List.of(arguments[1]));
            while (true) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    // Byte 0 is 0, then the schema's id, then Avro.
                    Schema written = schemas.get(ByteBuffer.wrap(record.value()).getInt(1));
                    var reader = new SpecificDatumReader<AlertEvent>(written, AlertEvent.getClassSchema());
                    int length = record.value().length - 5;
                    var decoder = DecoderFactory.get().binaryDecoder(record.value(), 5, length, null);
                    AlertEvent alert = reader.read(null, decoder);
                    if (seen.add(new Transition(alert.getAlertId(), alert.getSequence()))) {
                        String cmrr = alert.getCmrr() == null ? "-" : alert.getCmrr().toPlainString();
                        String severity = alert.getSeverity().name();
                        System.out.println(
                            String.join(" ", alert.getAccountId(), alert.getSign(), severity, cmrr));
                    }
                }
            }
        }
    }

    /** Returns the alert's schemas by their ids in registry.yaml. */
    private static Map<Integer, Schema> readSchemas(Path folder) throws IOException {
        String registry = Files.readString(folder.resolve("registry.yaml"));
        var lines = Pattern.compile("\\{id: (\\d+),.* file: (alert_event/.*)}").matcher(registry);
        Map<Integer, Schema> schemas = new HashMap<>();
        while (lines.find()) {
            var schema = new Schema.Parser().parse(folder.resolve(lines.group(2)).toFile());
            schemas.put(Integer.valueOf(lines.group(1)), schema);
        }
        return schemas;
    }
}
