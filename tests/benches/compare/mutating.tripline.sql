CREATE TRIGGER t_before OFTYPE AMISCRIPT ON ord USE canMutateRow='true' onInsertingScript='val=px*qty' onUpdatingScript='new_val=new_px*new_qty';
