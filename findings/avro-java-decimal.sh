#!/bin/sh
# Classes that Avro's Maven plugin generates by its defaults cannot read a decimal.
#
# Version: org.apache.avro:avro and avro-maven-plugin 1.12.2 (the cast also fails with 1.12.1), Java 17
# Guess: the class holds a ByteBuffer, as generated, and reading fills it.
# Seen:  the generated class registers the decimal conversion, which makes a BigDecimal, and its setter
#        casts that to ByteBuffer: ClassCastException on the first amount that is not null. With
#        enableDecimalLogicalType=true it reads. From 1.12.2 on, neither reads unless the class's package
#        is named in a system property.
#   defaults: ByteBuffer, ClassCastException
#   enableDecimalLogicalType=true: BigDecimal, read 1200.5000
#   enableDecimalLogicalType=true, no SERIALIZABLE_PACKAGES: BigDecimal, SecurityException
# Do:    set enableDecimalLogicalType=true, and start Java with
#        -Dorg.apache.avro.SERIALIZABLE_PACKAGES=<package>.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p src/main/avro src/main/java
cat > src/main/avro/Payment.avsc <<'JSON'
{"type": "record", "name": "Payment", "namespace": "shop", "fields": [{"name": "amount",
 "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4}], "default": null}]}
JSON
cat > src/main/java/Run.java <<'JAVA'
import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import org.apache.avro.Conversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.specific.SpecificDatumReader;
import shop.Payment;

public class Run {
    public static void main(String[] arguments) throws Exception {
        GenericData data = new GenericData();
        data.addLogicalTypeConversion(new Conversions.DecimalConversion());
        GenericRecord record = new GenericData.Record(Payment.getClassSchema());
        record.put("amount", new BigDecimal("1200.5000"));
        var bytes = new ByteArrayOutputStream();
        var encoder = EncoderFactory.get().binaryEncoder(bytes, null);
        new GenericDatumWriter<GenericRecord>(Payment.getClassSchema(), data).write(record, encoder);
        encoder.flush();

        System.out.print(Payment.class.getMethod("getAmount").getReturnType().getSimpleName() + ", ");
        try {
            var decoder = DecoderFactory.get().binaryDecoder(bytes.toByteArray(), null);
            Payment read = new SpecificDatumReader<>(Payment.class).read(null, decoder);
            System.out.println("read " + read.getAmount());
        } catch (ClassCastException | SecurityException error) {
            System.out.println(error.getClass().getSimpleName());
        }
    }
}
JAVA
cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>trial</groupId><artifactId>trial</artifactId><version>1</version>
  <properties>
    <decimal>false</decimal>
    <maven.compiler.release>17</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency>
      <groupId>org.apache.avro</groupId><artifactId>avro</artifactId><version>1.12.2</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>2.0.17</version>
    </dependency>
  </dependencies>
  <build><plugins>
    <plugin>
      <groupId>org.apache.maven.plugins</groupId>
      <artifactId>maven-compiler-plugin</artifactId>
      <version>3.14.0</version>
    </plugin>
    <plugin>
      <groupId>org.apache.maven.plugins</groupId>
      <artifactId>maven-dependency-plugin</artifactId>
      <version>3.8.1</version>
    </plugin>
    <plugin>
      <groupId>org.apache.avro</groupId><artifactId>avro-maven-plugin</artifactId><version>1.12.2</version>
      <executions><execution><goals><goal>schema</goal></goals><configuration>
        <sourceDirectory>${project.basedir}/src/main/avro</sourceDirectory>
        <enableDecimalLogicalType>${decimal}</enableDecimalLogicalType>
      </configuration></execution></executions>
    </plugin>
  </plugins></build>
</project>
XML
build() {
    rm -rf target
    mvn -q -B compile dependency:copy-dependencies -Ddecimal="$1" >&2
}
run() {
    java "$@" -cp 'target/classes:target/dependency/*' Run
}
trusted=-Dorg.apache.avro.SERIALIZABLE_PACKAGES=shop
{
    build false
    echo "defaults: $(run $trusted)"
    build true
    echo "enableDecimalLogicalType=true: $(run $trusted)"
    echo "enableDecimalLogicalType=true, no SERIALIZABLE_PACKAGES: $(run)"
} | tee seen
cat > expected <<'TEXT'
defaults: ByteBuffer, ClassCastException
enableDecimalLogicalType=true: BigDecimal, read 1200.5000
enableDecimalLogicalType=true, no SERIALIZABLE_PACKAGES: BigDecimal, SecurityException
TEXT
diff expected seen
