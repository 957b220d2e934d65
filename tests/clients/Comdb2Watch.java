import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/**
 * EXEC PROCEDURE watch() through pgjdbc with a fetch size of 1: each row that next() asks for acknowledges the one before
 * (CDB-308, CDB-901, CDB-904). Prints the rows; afterwards another client's look at the queue.
 */
public class Comdb2Watch {
    public static void main(String[] args) throws SQLException {
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/postgres?user=admin";
        try (Connection watcher = DriverManager.getConnection(url); Connection other = DriverManager.getConnection(url)) {
            // The driver pages results only inside a transaction block.
            watcher.setAutoCommit(false);
            Statement statement = watcher.createStatement();
            statement.setFetchSize(1);
            ResultSet rows = statement.executeQuery("EXEC PROCEDURE watch()");
            for (int n = 0; n < 3; n++) {
                if (!rows.next()) throw new IllegalStateException("only " + n + " rows");
                List<String> values = new ArrayList<>();
                for (String name : new String[] {"tbl", "type", "i", "d", "c", "y", "old_i", "old_d", "old_c", "old_y"}) {
                    Object value = rows.getObject(name);
                    values.add(value instanceof Double ? String.format("%.6f", value) : String.valueOf(value));
                }
                System.out.println(String.join("|", values));
                System.out.println("depth " + depth(other));
            }
            statement.cancel();
        }
    }

    static long depth(Connection connection) throws SQLException {
        try (ResultSet found = connection.createStatement().executeQuery("SELECT depth FROM comdb2_queues WHERE spname = 'watch'")) {
            found.next();
            return found.getLong(1);
        }
    }
}
