import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.*;

/** Prints record batches as kafka-clients writes them: java -cp $(kafka.sh classpath zookeeper) MakeVectors.java */
public class MakeVectors {
  public static void main(String[] args) {
    for (CompressionType type : CompressionType.values()) {
      ByteBuffer buffer = ByteBuffer.allocate(65536);
      MemoryRecordsBuilder builder = MemoryRecords.builder(buffer, RecordBatch.CURRENT_MAGIC_VALUE, Compression.of(type).build(),
          TimestampType.CREATE_TIME, 1000L, RecordBatch.NO_TIMESTAMP, 4242L, (short) 3, 17, false, 5);
      builder.append(1769846400000L, "sensor-1".getBytes(), "{\"temperature\":21.5}".getBytes(), new Header[] {new RecordHeader("h", "v".getBytes()), new RecordHeader("n", null)});
      builder.append(1769846399000L, null, "x".repeat(300).getBytes());
      builder.append(1769846460000L, "gone".getBytes(), null);
      print(type.name, builder.build());
    }
    print("commit", MemoryRecords.withEndTransactionMarker(77L, 1769846400000L, 2, 4242L, (short) 3, new EndTransactionMarker(ControlRecordType.COMMIT, 9)));
  }
  static void print(String name, MemoryRecords records) {
    ByteBuffer out = records.buffer().duplicate();
    byte[] bytes = new byte[out.remaining()];
    out.get(bytes);
    System.out.println(name + " " + HexFormat.of().formatHex(bytes));
  }
}
