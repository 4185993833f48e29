import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.connect.runtime.distributed.ExtendedAssignment;
import org.apache.kafka.connect.runtime.distributed.ExtendedWorkerState;
import org.apache.kafka.connect.runtime.distributed.IncrementalCooperativeConnectProtocol;
import org.apache.kafka.connect.util.ConnectorTaskId;

/** What Java's workers write into their group protocol, as hexadecimal. */
public class WorkerProtocol {
  static String hex(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return HexFormat.of().formatHex(bytes);
  }

  public static void main(String[] args) throws Exception {
    ObjectMapper json = new ObjectMapper();
    ObjectNode root = json.createObjectNode();
    short version = IncrementalCooperativeConnectProtocol.CONNECT_PROTOCOL_V1;
    ExtendedAssignment full = new ExtendedAssignment(
        version, (short) 0, "worker-1-id", "http://127.0.0.1:8083/", 42L,
        List.of("one", "two"),
        List.of(new ConnectorTaskId("one", 0), new ConnectorTaskId("one", 2), new ConnectorTaskId("three", 1)),
        List.of("gone"), List.of(new ConnectorTaskId("gone", 0)), 300000);
    ExtendedAssignment bare = new ExtendedAssignment(
        version, (short) 1, "worker-1-id", "http://127.0.0.1:8083/", 0L,
        List.of(), List.of(), List.of(), List.of(), 0);
    root.put("assignment", hex(IncrementalCooperativeConnectProtocol.serializeAssignment(full, false)));
    root.put("bareAssignment", hex(IncrementalCooperativeConnectProtocol.serializeAssignment(bare, false)));
    root.put("state", hex(IncrementalCooperativeConnectProtocol.serializeMetadata(
        new ExtendedWorkerState("http://127.0.0.1:8084/", 7L, full), false)));
    root.put("firstState", hex(IncrementalCooperativeConnectProtocol.serializeMetadata(
        new ExtendedWorkerState("http://127.0.0.1:8084/", -1L, ExtendedAssignment.empty()), false)));
    ArrayNode protocols = root.putArray("protocols");
    IncrementalCooperativeConnectProtocol
        .metadataRequest(new ExtendedWorkerState("http://127.0.0.1:8084/", 7L, full), true)
        .forEach(one -> protocols.add(one.name()));
    json.writerWithDefaultPrettyPrinter().writeValue(new File(args[0]), root);
  }
}
